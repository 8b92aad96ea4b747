internal import PostgresClient

extension Migrator {
    /// The work that a run would do.
    package struct Preview: Equatable, Sendable {
        /// Names of the files that are not applied yet, in order. Repeatable files are applied at
        /// every run, and are not listed.
        package var pending: [String]
        /// The schema's version; 0 when there is none yet.
        package var version: Int
        /// The kind of the database now or after the run, as `store_mode()` names it.
        package var mode: String
    }

    /// Returns what a run would do, and changes nothing: it runs in a read-only transaction. It
    /// throws the same errors as `run` when files do not match the ledger.
    package func preview(_ folder: MigrationFolder) throws(MigrationError) -> Preview {
        try execute("begin the dry run", "BEGIN READ ONLY")
        do {
            let preview = try preview(of: folder)
            try execute("end the dry run", "ROLLBACK")
            return preview
        } catch {
            connection.close()
            throw error
        }
    }

    private func preview(of folder: MigrationFolder) throws(MigrationError) -> Preview {
        try execute(
            "set search_path", "SELECT set_config('search_path', $1, true)",
            [.text(schema.searchPath)])
        let found = try execute(
            "look for the ledger",
            "SELECT to_regclass('schema_migrations') IS NOT NULL, to_regclass('depth') IS NOT NULL"
        )
        let applied = found[0, 0] == "t" ? try ledger() : []
        let plan = try MigrationPlan(
            versioned: folder.versioned, repeatable: folder.repeatable, applied: applied)
        return Preview(
            pending: plan.steps.map(\.file.name), version: applied.count,
            mode: try mode(hasTables: found[0, 1] == "t"))
    }

    /// Returns the kind of the tables, or the kind that the extension will give them.
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
                WHERE hypertable_schema = $1 AND hypertable_name = 'depth'
                """, [.text(schema.text)])
            if hypertable.rowCount == 0 { return "plain" }
        }
        return found[0, 1] == "timescale" ? "timescaledb-community" : "timescaledb-apache"
    }
}
