internal import PostgresClient

extension Migrator {
    /// The work that a run would do.
    package struct Preview: Equatable, Sendable {
        /// Names of the files that are not applied yet, in order. Repeatable files are applied at
        /// every run, and are not listed.
        package var pending: [String]
        /// The schema's version; 0 when there is none yet.
        package var version: Int
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
            "look for the ledger", "SELECT to_regclass('schema_migrations') IS NOT NULL")
        let applied = found[0, 0] == "t" ? try ledger() : []
        let plan = try MigrationPlan(
            versioned: folder.versioned, repeatable: folder.repeatable, applied: applied)
        return Preview(
            pending: plan.steps.map(\.file.name), version: applied.count)
    }
}
