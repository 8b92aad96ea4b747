package import PostgresClient
internal import Primitives

/// A run that brings one schema of a database to the version of this program.
///
/// Any number of migrators may run at the same time. They take turns under an advisory lock, and
/// the later ones find nothing to do. The *ledger* is the table `schema_migrations`, with a line
/// per applied version. Each file is one transaction together with its line. So a killed migrator
/// leaves complete steps, and the next one continues from there. An online file can be cut in its
/// middle, so it is one that can be applied again.
package struct Migrator {
    /// The timeout of a statement: a migration may rewrite large tables.
    package static let statementTimeout = Duration.seconds(3_600)
    /// The timeout of a wait for a lock of a table. It is short, because other sessions wait in
    /// the queue for that lock meanwhile. Then the step is undone, and tried again after a pause in
    /// which they have their turn. Where readers follow each other without an end, only a longer
    /// wait gets a turn, so late attempts wait for a minute.
    package static let lockTimeout = Duration.seconds(2)
    static let lockTimeoutMax = Duration.seconds(60)
    /// The attempts of one step with the short timeout, and all: for about ten minutes.
    static let shortAttempts = 20
    static let lockAttemptsMax = 30
    static let lockPause = (first: Duration.milliseconds(200), limit: Duration.seconds(5))

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
            return JSONWriter.made { json in
                for (table, days) in retention.sorted(by: { $0.key < $1.key }) {
                    json.member(table, days)
                }
            }.text
        }
    }

    let connection: PostgresConnection
    let schema: SchemaName
    /// The roles that get rights; `nil` for none.
    private let runtimeRole: String?
    private let readerRole: String?
    private let wishes: Wishes
    let timeout: Duration

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

    /// What a run reports while it works.
    package enum Notice: Equatable, Sendable {
        /// A file is about to be applied.
        case step(String)
        /// Other sessions have kept a lock. The step is tried again.
        case waits(String, attempt: Int)
    }

    /// Runs the migration.
    package func run(
        _ folder: MigrationFolder, report: (Notice) -> Void = { _ in }
    ) throws(MigrationError) -> Report {
        try takeTurn()
        do {
            let done = try migrate(folder, report)
            try execute("unlock", "SELECT pg_advisory_unlock(\(Self.lockKey))")
            return done
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
        _ folder: MigrationFolder, _ notice: (Notice) -> Void
    ) throws(MigrationError) -> Report {
        try prepare()
        let plan = try MigrationPlan(
            versioned: folder.versioned, repeatable: folder.repeatable, applied: try ledger())
        var report = Report()
        for step in plan.steps {
            notice(.step(step.file.name))
            try apply(step.file, recordedAs: step.version, notice)
            report.applied.append(step.file.name)
        }
        for file in plan.repeatable { try apply(file, recordedAs: nil, notice) }
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
