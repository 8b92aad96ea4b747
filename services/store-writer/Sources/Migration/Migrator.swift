package import PostgresClient
internal import Primitives

/// A run that brings one schema of a database to the version of this program.
///
/// Any number of migrators may run at the same time. They take turns under an advisory lock, and
/// the later ones find nothing to do. The *ledger* is the table `schema_migrations`, with a line
/// per applied version. Each file is one transaction together with its line. So a killed migrator
/// leaves complete steps, and the next one continues from there.
package struct Migrator {
    /// The timeout of a statement: a migration may rewrite large tables.
    package static let statementTimeout = Duration.seconds(3_600)
    /// The timeout of a wait for a lock of a table. It is short, because other sessions wait in
    /// the queue for that lock meanwhile. Only migrators wait for another migrator, so they do it
    /// for as long as a statement may take.
    package static let lockTimeout = Duration.seconds(60)

    /// The result of a run.
    package struct Report: Equatable, Sendable {
        /// Names of the applied files; empty when the schema was up to date.
        package var applied: [String] = []
        /// The version after the run.
        package var version = 0
    }

    /// Settings that repeatable files apply to the tables; `nil` leaves a setting unchanged.
    package struct Wishes: Equatable, Sendable {
        /// The age at which TimescaleDB's Community edition compresses; zero means never.
        package var compressAfter: Duration?
        /// Whether that edition keeps the view `bars_daily`.
        package var dailyBars: Bool?
        /// Days by table, stored in the database as the permission to drop: younger rows, and rows
        /// of tables that are not named, cannot be dropped.
        package var retention: [String: Int]?

        package init(
            compressAfter: Duration? = nil, dailyBars: Bool? = nil, retention: [String: Int]? = nil
        ) {
            self.compressAfter = compressAfter
            self.dailyBars = dailyBars
            self.retention = retention
        }

        /// The retention as a JSON object; empty to leave it unchanged.
        var retentionText: String {
            guard let retention else { return "" }
            var json = JSONWriter()
            json.object { json in
                for (table, days) in retention.sorted(by: { $0.key < $1.key }) {
                    json.member(table, days)
                }
            }
            return json.text
        }
    }

    let connection: PostgresConnection
    let schema: SchemaName
    /// The roles that get rights; `nil` for none.
    private let runtimeRole: String?
    private let readerRole: String?
    private let wishes: Wishes
    private let timeout: Duration

    /// `runtimeRole` gets the rights of the services, `readerRole` those to read. Both roles must
    /// exist. `timeout` bounds each step, in addition to the session's own timeouts (`configured`).
    package init(
        _ connection: PostgresConnection, schema: SchemaName, runtimeRole: String?,
        readerRole: String? = nil, wishes: Wishes = Wishes(),
        timeout: Duration = Migrator.statementTimeout
    ) {
        self.connection = connection
        self.schema = schema
        self.runtimeRole = runtimeRole
        self.readerRole = readerRole
        self.wishes = wishes
        self.timeout = timeout
    }

    /// Returns the configuration of a migration's session.
    package static func configured(_ base: PostgresConfiguration) -> PostgresConfiguration {
        var configuration = base
        configuration.applicationName = "store-writer migrate"
        configuration.statementTimeout = statementTimeout
        configuration.lockTimeout = lockTimeout
        return configuration
    }

    /// Runs the migration. Calls `onStep` with each file's name before it is applied.
    package func run(
        _ folder: MigrationFolder, onStep: (String) -> Void = { _ in }
    ) throws(MigrationError) -> Report {
        // The timeout would also end the wait for a migrator that works longer.
        try execute("lift the timeout of locks", "SET lock_timeout = 0")
        try execute("wait for other migrations", "SELECT pg_advisory_lock(\(Self.lockKey))")
        do {
            try execute("restore the timeout of locks", "RESET lock_timeout")
            let report = try migrate(folder, onStep)
            try execute("unlock", "SELECT pg_advisory_unlock(\(Self.lockKey))")
            return report
        } catch {
            // Closing the session also frees the lock. The connection is not used any more.
            connection.close()
            throw error
        }
    }

    /// One lock serves all schemas of a database, because they share extensions and roles.
    static let lockKey = "hashtextextended('tapeline.migrate', 0)"
}

// MARK: - Steps

extension Migrator {
    private func migrate(
        _ folder: MigrationFolder, _ onStep: (String) -> Void
    ) throws(MigrationError) -> Report {
        try prepare()
        let plan = try MigrationPlan(
            versioned: folder.versioned, repeatable: folder.repeatable, applied: try ledger())
        var report = Report()
        for step in plan.steps {
            onStep(step.file.name)
            try transaction(step.file, recordedAs: step.version)
            report.applied.append(step.file.name)
        }
        for file in plan.repeatable { try transaction(file, recordedAs: nil) }
        report.version = folder.versioned.count
        return report
    }

    /// Makes the schema and the ledger if they are missing, and sets what the files read: the
    /// search path, the roles and the wishes.
    private func prepare() throws(MigrationError) {
        // IF NOT EXISTS would need the right to make schemas, even where the schema exists.
        let found = try execute(
            "look for the schema", "SELECT 1 FROM pg_namespace WHERE nspname = $1",
            [.text(schema.text)])
        if found.rowCount == 0 {
            try execute("make the schema", "CREATE SCHEMA \(schema.quoted)")
        }
        try execute(
            "set search_path", "SELECT set_config('search_path', $1, false)",
            [.text(schema.searchPath)])
        try execute(
            "name the roles",
            """
            SELECT set_config('tapeline.runtime_role', $1, false),
                set_config('tapeline.reader_role', $2, false)
            """, [.text(runtimeRole ?? ""), .text(readerRole ?? "")])
        try execute(
            "name the wishes",
            """
            SELECT set_config('tapeline.compress_after', $1, false),
                set_config('tapeline.daily_bars', $2, false),
                set_config('tapeline.retention', $3, false)
            """,
            [
                .text(wishes.compressAfter.map { "\($0.components.seconds) seconds" } ?? ""),
                .text(wishes.dailyBars.map { "\($0)" } ?? ""),
                .text(wishes.retentionText),
            ])
        try execute(
            "make the ledger",
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now())
            """)
    }

    /// Returns the applied versions in order.
    func ledger() throws(MigrationError) -> [AppliedMigration] {
        let lines = try execute(
            "read the ledger", "SELECT version, checksum FROM schema_migrations ORDER BY version")
        var applied: [AppliedMigration] = []
        for row in 0..<lines.rowCount {
            guard let version = lines.integer(row, 0), let checksum = lines[row, 1] else {
                throw .malformedLedger("line \(row + 1)")
            }
            applied.append(AppliedMigration(version: Int(version), checksum: checksum))
        }
        return applied
    }

    /// Applies a file in one transaction. `version` is its line in the ledger; `nil` for a
    /// repeatable file, which has none.
    private func transaction(
        _ file: MigrationFile, recordedAs version: Int?
    ) throws(MigrationError) {
        try execute(file.name, "BEGIN")
        do {
            try connection.script(file.sql, timeout: timeout)
        } catch {
            throw .failed(step: file.name, line: file.line(of: error), error)
        }
        // A file that ends the transaction would leave its line in the ledger outside of it.
        guard connection.isInTransaction else {
            throw .failed(
                step: file.name, line: nil,
                .unexpected(
                    operation: file.name, peer: connection.peer,
                    reason: "the file ends its transaction: no BEGIN or COMMIT in migrations"))
        }
        if let version {
            try execute(
                file.name,
                "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                [.integer(Int64(version)), .text(file.name), .text(file.checksum)])
        }
        try execute(file.name, "COMMIT")
    }

    /// Runs a statement. `step` names it in errors.
    @discardableResult
    func execute(
        _ step: String, _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(MigrationError) -> PostgresResult {
        do {
            return try connection.execute(sql, parameters, timeout: timeout)
        } catch {
            throw .failed(step: step, line: nil, error)
        }
    }
}

extension MigrationFile {
    /// Returns the line at which the server found the error, counted from 1.
    fileprivate func line(of error: PostgresError) -> Int? {
        guard let position = error.serverError?.position, position > 0 else { return nil }
        return sql.unicodeScalars.prefix(position - 1).count { $0 == "\n" } + 1
    }
}
