import Foundation
import PostgresClient
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import StoreWriter

/// Files of a migration that a test writes.
struct TestMigrations {
    private let folder: TemporaryFolder

    /// `files` are the texts of versioned files, by name.
    init(_ files: [String: String] = [:]) throws {
        folder = try TemporaryFolder("migrations")
        try run("/bin/mkdir", ["-p", folder.file("migrations"), folder.file("repeatable")])
        for (name, sql) in files { try write(sql, to: name) }
    }

    func write(_ sql: String, to name: String) throws {
        try folder.write(sql, to: "migrations/\(name)")
    }

    var files: MigrationFolder {
        get throws { try MigrationFolder(path: folder.path) }
    }
}

extension MigrationError {
    /// Of a file that failed: its name, the line, and the error.
    var failed: (step: String, line: Int?, cause: PostgresError)? {
        if case .failed(let step, let line, let cause) = self { (step, line, cause) } else { nil }
    }
}

@Suite("Migrating a database")
struct MigratorTests {
    private let files: [String]

    init() throws {
        files = try TestDatabase.shipped().versioned.map(\.name)
    }

    @Test(
        "an empty database gets the schema; a second run changes nothing", arguments: [false, true])
    func twice(timescale: Bool) throws {
        let database = try TestDatabase("migrate_twice_\(timescale)", timescale: timescale)
        #expect(try database.migrate() == Migrator.Report(applied: files, version: files.count))
        let ledger = try database.psql("TABLE schema_migrations")
        let columns = """
            SELECT table_name, column_name, data_type FROM information_schema.columns
            WHERE table_schema = 'md' ORDER BY 1, 2
            """
        let before = try database.psql(columns)
        #expect(before.contains("bars|vwap|numeric"))
        #expect(try database.migrate() == Migrator.Report(applied: [], version: files.count))
        try database.expect("TABLE schema_migrations", ledger)
        try database.expect(columns, before)
        try database.expect("SELECT count(*) FROM schema_migrations", "\(files.count)")
    }

    /// The chunks of tables with fewer rows.
    private static let chunks = [
        "bars_long": "365 days", "news": "30 days", "fundamentals": "30 days",
        "events": "30 days", "provider_bars": "30 days", "options": "7 days",
        "indicators": "7 days", "bar_versions": "7 days",
    ]

    @Test("with TimescaleDB the tables by time are hypertables, without it they are partitioned")
    func hypertables() throws {
        let plain = try TestDatabase("migrate_plain")
        try plain.migrate()
        try plain.expect("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'", "0")
        let timescale = try TestDatabase("migrate_timescale", timescale: true)
        try timescale.migrate()
        let found = """
            SELECT hypertable_name, time_interval FROM timescaledb_information.dimensions
            WHERE hypertable_schema = 'md' ORDER BY 1
            """
        let cut = try plain.psql("SELECT table_name FROM time_tables() ORDER BY 1")
        #expect(cut.split(separator: "\n").contains("trade_rows"))
        try timescale.expect(
            found,
            cut.split(separator: "\n").map { "\($0)|\(Self.chunks["\($0)"] ?? "1 day")" }
                .joined(separator: "\n"))
        try plain.expect("SELECT DISTINCT shape FROM time_tables()", "native")
        for database in [plain, timescale] {
            try database.expect(
                "SELECT indexname FROM pg_indexes WHERE schemaname = 'md' AND tablename IN "
                    + "('bars_short', 'quote_rows', 'trade_rows') ORDER BY 1",
                "bars_short_pkey\nbars_short_series_ts\nquote_rows_symbol_ts\n"
                    + "trade_rows_symbol_ts")
        }
    }

    @Test("an extension in a schema that is not on search_path is found")
    func extensionElsewhere() throws {
        let database = try TestDatabase("migrate_elsewhere")
        try database.psql("CREATE SCHEMA ext; CREATE EXTENSION timescaledb SCHEMA ext")
        try database.psql("GRANT USAGE ON SCHEMA ext TO \(database.migrator)")
        try database.migrate(wishes: Migrator.Wishes(retention: ["trades": 1]))
        try database.expect("SELECT DISTINCT shape FROM time_tables()", "hypertable")
        try database.expect("SELECT mode FROM store_mode()", "timescaledb")
        try database.expect("SELECT count(*) FROM apply_retention('trades', '1 day')", "0")
    }

    @Test("two namespaces live side by side, also one that is named by a keyword")
    func namespaces() throws {
        let first = try TestDatabase("migrate_spaces")
        try first.migrate()
        let other = try first.migration(schema: SchemaName("user"))
        #expect(try other.run(try TestDatabase.shipped()).applied == files)
        try first.expect("SELECT count(*) FROM pg_tables WHERE tablename = 'sink_positions'", "2")
    }

    @Test("a file that was changed after it was applied is refused by name")
    func changedFile() throws {
        let database = try TestDatabase("migrate_changed")
        let second = try TestDatabase.secondRelease()
        try database.migrate(second)
        let copy = try TestMigrations()
        for file in second.versioned {
            try copy.write(file.sql + (file.name == Self.second[0] ? "-- x\n" : ""), to: file.name)
        }
        let changed = try copy.files
        let error = #expect(throws: MigrationError.self) { try database.migrate(changed) }
        guard case .changed(2, Self.second[0], _, _) = error else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
    }

    @Test("a database of an earlier revision is refused in one line, and nothing is begun")
    func earlierRevision() throws {
        let database = try TestDatabase("migrate_earlier", mode: .plain)
        let earlier = try TestMigrations([
            "0001_schema.sql": "CREATE TABLE trades (i int8);",
            "0002_gaps.sql": "CREATE TABLE gaps (i int8);",
        ])
        try database.migrate(earlier.files)
        let objects = """
            SELECT count(*), max(oid) FROM pg_class; SELECT count(*), max(oid) FROM pg_proc;
            SELECT nspname FROM pg_namespace ORDER BY 1; TABLE schema_migrations
            """
        let before = try database.psql(objects)
        let shipped = try TestDatabase.shipped()
        let errors = [
            #expect(throws: MigrationError.self) { try database.migrate() },
            #expect(throws: MigrationError.self) { try database.migration().preview(shipped) },
        ]
        for error in errors {
            #expect(error == .earlierRevision(name: files[0], later: 1))
            #expect(error.map { "\($0)" }?.contains("make a new database") == true)
        }
        try database.expect(objects, before)
        // Another namespace of the same database takes the schema.
        let other = try database.migration(schema: SchemaName("other"))
        #expect(try other.run(shipped).applied == files)
    }

    /// The files of the made-up second release.
    static let second = ["0002_trade_venue.sql", "0003_gap_reasons.online.sql"]

    @Test("a second release brings its files to a database of the first, and not the way back")
    func secondRelease() throws {
        let database = try TestDatabase("migrate_second", mode: .plain)
        try database.migrate()
        let release = try TestDatabase.secondRelease()
        #expect(try database.migration().preview(release).pending == Self.second)
        #expect(
            try database.migrate(release)
                == Migrator.Report(applied: Self.second, version: files.count + 2))
        #expect(try database.migrate(release).applied == [])
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        #expect(error == .databaseIsNewer(applied: files.count + 2, known: files.count))
        // One that never had the first release has the same columns.
        let new = try TestDatabase("migrate_second_new", mode: .plain)
        #expect(try new.migrate(release).applied == files + Self.second)
        let columns = """
            SELECT table_name, column_name, ordinal_position, data_type
            FROM information_schema.columns
            WHERE table_schema LIKE 'md%' ORDER BY table_schema, 1, 3
            """
        try new.expect(columns, database.psql(columns))
    }

    @Test("four migrators at once apply every file once")
    func concurrent() async throws {
        let database = try TestDatabase("migrate_race", timescale: true)
        let reports = try await withThrowingTaskGroup(of: Migrator.Report.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    // Outside the cooperative pool, because a migrator blocks.
                    try await withCheckedThrowingContinuation { continuation in
                        Thread { continuation.resume(with: Result { try database.migrate() }) }
                            .start()
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(reports.flatMap(\.applied).sorted() == files)
        #expect(reports.allSatisfy { $0.version == files.count })
    }

    @Test("a migrator waits for another one, without a statement that is seen, then does the rest")
    func waits() throws {
        let database = try TestDatabase("migrate_waits")
        let first = try database.connect(database.migrator)
        try first.execute("SELECT pg_advisory_lock(\(Migrator.lockKey))")
        let shipped = try TestDatabase.shipped()
        let outcome = Mutex<Result<Migrator.Report, any Error>?>(nil)
        let second = try ServiceThread(name: "second") {
            let result = Result {
                let lockTimeout = Duration.milliseconds(500)
                let connection = try database.connect(database.migrator, lockTimeout: lockTimeout)
                let migrator = Migrator(
                    connection, schema: database.schema, runtimeRole: database.writer,
                    timeout: patience)
                let report = try migrator.run(shipped)
                let after = try connection.execute("SHOW lock_timeout")
                #expect(after.scalar == "500ms")
                return report
            }
            outcome.withLock { $0 = result }
        }
        // It waits for no lock: an index that the first one makes online would wait for it.
        let waiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'
                AND wait_event = 'PgSleep'
                AND backend_start < clock_timestamp() - interval '1 second'
            """
        #expect(try eventually { try second.isFinished || database.psql(waiting) == "1" })
        #expect(!second.isFinished)
        first.close()
        #expect(second.join(timeout: patience))
        #expect(try outcome.withLock { $0 }?.get().applied == files)
    }

    @Test("a file that fails leaves nothing of itself, and says its line; a fixed one goes on")
    func failingFile() throws {
        let database = try TestDatabase("migrate_failing")
        let second = "0002_b.sql"
        let folder = try TestMigrations([
            "0001_a.sql": "CREATE TABLE a (i int8);",
            second: "CREATE TABLE b (i int8);\n\nSELECT * FROM nowhere;\n",
        ])
        let broken = try folder.files
        let error = #expect(throws: MigrationError.self) { try database.migrate(broken) }
        let failed = try #require(error?.failed)
        #expect(failed.step == second && failed.line == 3 && failed.cause.category == .schema)
        try database.expect("SELECT to_regclass('a') IS NULL, to_regclass('b') IS NULL", "f|t")
        try folder.write("CREATE TABLE b (i int8);", to: second)
        #expect(
            try database.migrate(folder.files) == Migrator.Report(applied: [second], version: 2))
    }

    @Test("a file that ends its own transaction is refused")
    func commits() throws {
        let database = try TestDatabase("migrate_commits")
        let migrations = try TestMigrations(["0001_a.sql": "CREATE TABLE a (i int8); COMMIT;"])
            .files
        let error = #expect(throws: MigrationError.self) { try database.migrate(migrations) }
        #expect(error.map { "\($0)" }?.contains("no BEGIN or COMMIT") == true)
    }

    @Test("without the right to make a schema the migrator says so")
    func noRights() throws {
        let database = try TestDatabase("migrate_rights")
        let migration = Migrator(
            try database.connect(database.writer), schema: database.schema, runtimeRole: nil,
            timeout: patience)
        let shipped = try TestDatabase.shipped()
        let error = #expect(throws: MigrationError.self) { try migration.run(shipped) }
        #expect(error?.failed?.cause.sqlState == .insufficientPrivilege)
    }

    @Test("a table of somebody else in the schema stops no migration")
    func foreign() throws {
        let database = try TestDatabase("migrate_foreign", mode: .plain)
        try database.psql("CREATE SCHEMA md AUTHORIZATION \(database.migrator)")
        try database.psql("CREATE TABLE md.mine (n int)")
        try database.migrate()
        try database.expect(
            """
            SELECT has_table_privilege('\(database.writer)', 'trades', 'SELECT')
                AND NOT has_table_privilege('\(database.writer)', 'mine', 'SELECT')
            """, "t")
    }

    @Test("a dry run says what is left to do, and changes nothing", arguments: DatabaseMode.all)
    func dryRun(mode: DatabaseMode) throws {
        let database = try TestDatabase("migrate_dry", mode: mode)
        let shipped = try TestDatabase.shipped()
        #expect(
            try database.migration().preview(shipped)
                == Migrator.Preview(pending: files, version: 0))
        try database.expect("SELECT count(*) FROM pg_namespace WHERE nspname = 'md'", "0")
        try database.migrate()
        #expect(
            try database.migration().preview(shipped)
                == Migrator.Preview(pending: [], version: files.count))
        let before = try database.psql("SELECT count(*), max(oid) FROM pg_class")
        let second = try TestDatabase.secondRelease()
        #expect(
            try database.migration().preview(second)
                == Migrator.Preview(pending: Self.second, version: files.count))
        try database.expect("SELECT count(*), max(oid) FROM pg_class", before)
    }

    @Test("psql applies the same files", arguments: [false, true])
    func byPsql(timescale: Bool) throws {
        let database = try TestDatabase("migrate_psql_\(timescale)", timescale: timescale)
        try database.psql("CREATE SCHEMA md AUTHORIZATION \(database.migrator)")
        let shipped = try TestDatabase.shipped()
        let paths =
            shipped.versioned.map { "migrations/\($0.name)" }
            + shipped.repeatable.map { "repeatable/\($0.name)" }
        for path in paths {
            try run(
                ServerPrograms.database("psql"),
                ["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]
                    + ["-p", "\(database.server.port)", "-U", database.migrator]
                    + ["-d", database.name, "-f", "\(TestDatabase.deployed)/\(path)"],
                environment: [
                    "PGPASSWORD": PostgresServer.password,
                    "PGOPTIONS":
                        "-c search_path=md,pg_temp -c tapeline.runtime_role=\(database.writer)",
                ])
        }
        let writer = try database.connectWriter()
        try writer.expect("SELECT owner_epoch FROM claim_position('store', 'bars', 1, 1)", "1")
    }
}
