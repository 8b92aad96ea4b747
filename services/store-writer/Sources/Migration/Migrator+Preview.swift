internal import PostgresClient

extension Migrator {
    /// What a run would find to do.
    public struct Preview: Equatable, Sendable {
        /// Names of the files that are not applied yet, in their order. The repeatable ones are
        /// applied at every run and are not among them.
        public var pending: [String]
        /// The version that the schema has; 0: there is none yet.
        public var version: Int
        /// Which of the three databases it is, or becomes: as `store_mode()` names them.
        public var mode: String
    }

    /// Changes nothing, and could not: it looks in a read-only transaction. Files that do not fit
    /// the ledger are thrown as by `run`.
    public func preview(_ folder: MigrationFolder) throws(MigrationError) -> Preview {
        try execute("begin the dry run", "BEGIN READ ONLY")
        do {
            let preview = try look(folder)
            try execute("end the dry run", "ROLLBACK")
            return preview
        } catch {
            connection.close()
            throw error
        }
    }

    private func look(_ folder: MigrationFolder) throws(MigrationError) -> Preview {
        try execute(
            "set search_path", "SELECT set_config('search_path', $1, true)",
            [.text(schema.searchPath)])
        let found = try execute(
            "look for the ledger",
            "SELECT to_regclass('schema_migrations') IS NOT NULL, to_regclass('trades') IS NOT NULL"
        )
        let applied = found[0, 0] == "t" ? try ledger() : []
        let plan = try MigrationPlan(
            versioned: folder.versioned, repeatable: folder.repeatable, applied: applied)
        return Preview(
            pending: plan.steps.map(\.file.name), version: applied.count,
            mode: try mode(hasTables: found[0, 1] == "t"))
    }

    /// What the tables are, or the extension will make of them.
    private func mode(hasTables: Bool) throws(MigrationError) -> String {
        let found = try execute(
            "look for TimescaleDB",
            """
            SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'),
                current_setting('timescaledb.license', true)
            """)
        guard found[0, 0] == "t" else { return "plain" }
        if hasTables {
            let hypertable = try execute(
                "look for hypertables",
                """
                SELECT FROM timescaledb_information.hypertables
                WHERE hypertable_schema = $1 AND hypertable_name = 'trades'
                """, [.text(schema.text)])
            if hypertable.rowCount == 0 { return "plain" }
        }
        return found[0, 1] == "timescale" ? "timescaledb-community" : "timescaledb-apache"
    }
}
