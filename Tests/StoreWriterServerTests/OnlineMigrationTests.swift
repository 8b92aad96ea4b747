import PostgresClient
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import StoreWriter

/// A migration on a thread of its own, and how often it has waited so far.
final class MigrationRun: Sendable {
    let waits = Mutex(0)
    let outcome = Mutex<Result<Migrator.Report, any Error>?>(nil)

    func start(_ database: TestDatabase, _ files: MigrationFolder) throws -> ServiceThread {
        try ServiceThread(name: "migration") { [self] in
            let result = Result {
                try database.migration().run(files) { notice in
                    if case .waits = notice { waits.withLock { $0 += 1 } }
                }
            }
            outcome.withLock { $0 = result }
        }
    }

    var report: Migrator.Report? {
        get throws { try outcome.withLock { try $0?.get() } }
    }
}

/// Migrations beside sessions that use the tables.
@Suite("Migrations while the tables are used")
struct OnlineMigrationTests {
    private let database: TestDatabase
    private let folder: TestMigrations

    init() throws {
        database = try TestDatabase(
            "migrate_online_\(UInt32.random(in: 0...UInt32.max))", mode: .plain)
        folder = try TestMigrations([
            "0001_a.sql": "CREATE TABLE a (i int8); INSERT INTO a VALUES (1);"
        ])
        try database.migrate(folder.files)
    }

    private func session() throws -> PostgresConnection {
        try database.connect(
            database.migrator, searchPath: database.schema.searchPath, lockTimeout: patience / 2)
    }

    @Test("where readers follow each other without an end, late attempts wait longer")
    func longerWaits() {
        let short = Migrator.shortAttempts
        #expect(Migrator.lockTimeout(afterAttempts: 1) == nil)
        #expect(Migrator.lockTimeout(afterAttempts: short - 1) == nil)
        #expect(Migrator.lockTimeout(afterAttempts: short) == .seconds(4))
        #expect(Migrator.lockTimeout(afterAttempts: short + 1) == .seconds(8))
        #expect(Migrator.lockTimeout(afterAttempts: short + 9) == Migrator.lockTimeoutMax)
        #expect(Migrator.lockTimeout(afterAttempts: .max) == Migrator.lockTimeoutMax)
    }

    @Test("writers do not queue behind a migration that waits for a long transaction")
    func queue() throws {
        try folder.write("ALTER TABLE a ADD COLUMN j int8;", to: "0002_b.sql")
        let reader = try session()
        try reader.execute("BEGIN")
        try reader.execute("SELECT i FROM a")
        let migration = MigrationRun()
        let thread = try migration.start(database, try folder.files)
        let writer = try session()
        let blocked = """
            SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
                AND relation = 'a'::regclass
            """
        for turn in 1...3 {
            #expect(
                try eventually { try thread.isFinished || database.psql(blocked) == "1" },
                "attempt \(turn)")
            // Fails after its timeout of locks, if the migration stays in the queue before it.
            try writer.execute("INSERT INTO a VALUES (2)")
            #expect(eventually { migration.waits.withLock { $0 } >= turn })
        }
        #expect(!thread.isFinished)
        try reader.execute("COMMIT")
        #expect(thread.join(timeout: patience))
        #expect(try migration.report?.applied == ["0002_b.sql"])
        try database.expect("SELECT count(*), count(j) FROM a", "4|0")
    }

    @Test("an online file makes an index while rows are written, and its line in the ledger last")
    func index() throws {
        try folder.write(
            """
            -- What an interrupted run has left is of no use.
            DROP INDEX CONCURRENTLY IF EXISTS a_i;
            CREATE INDEX CONCURRENTLY a_i ON a (i);
            """, to: "0002_index.online.sql")
        let other = try session()
        try other.execute("BEGIN")
        try other.execute("INSERT INTO a VALUES (2)")
        let migration = MigrationRun()
        let thread = try migration.start(database, try folder.files)
        let waiting = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
                AND query_start < clock_timestamp() - interval '3 seconds'
            """
        // For longer than a migration waits for a lock that others queue behind.
        #expect(try eventually { try thread.isFinished || database.psql(waiting) == "1" })
        let writer = try session()
        try writer.execute("INSERT INTO a VALUES (3)")
        try database.expect("SELECT count(*) FROM schema_migrations", "1")
        // Another migrator waits for its turn, and the index does not wait for it.
        let second = MigrationRun()
        let secondThread = try second.start(database, try folder.files)
        try other.execute("COMMIT")
        #expect(thread.join(timeout: patience) && secondThread.join(timeout: patience))
        #expect(try migration.report?.applied == ["0002_index.online.sql"])
        #expect(try second.report?.applied == [])
        #expect(migration.waits.withLock { $0 } == 0)
        try database.expect(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_i'::regclass", "t")
        try database.expect("SELECT max(version) FROM schema_migrations", "2")
    }

    @Test("a query of an online file names the statements; a run that was cut begins it again")
    func generated() throws {
        let file = "0002_all.online.sql"
        let statements = """
            SELECT format('CREATE TABLE IF NOT EXISTS a_%s (i int8)', n)
            FROM generate_series(1, 3) AS n ORDER BY n;
            SELECT 'VACUUM a';

            """
        try folder.write(statements + "SELECT * FROM nowhere;\n", to: file)
        let broken = try folder.files
        let error = #expect(throws: MigrationError.self) { try database.migrate(broken) }
        let failed = try #require(error?.failed)
        #expect(failed.step == file && failed.line == 4)
        try database.expect("SELECT to_regclass('a_3') IS NOT NULL", "t")
        try database.expect("SELECT count(*) FROM schema_migrations", "1")
        try folder.write(statements, to: file)
        #expect(try database.migrate(try folder.files).applied == [file])
        #expect(try database.migrate(try folder.files).applied == [])
        try folder.write("SELECT 1 FROM generate_series(1, 10001);", to: "0003_b.online.sql")
        let many = try folder.files
        #expect(throws: MigrationError.tooManyStatements(step: "0003_b.online.sql", max: 10_000)) {
            try database.migrate(many)
        }
    }

    @Test("an online file that begins a transaction is refused")
    func transaction() throws {
        try folder.write("BEGIN;\nCREATE TABLE b (i int8);\n", to: "0002_b.online.sql")
        let broken = try folder.files
        let error = #expect(throws: MigrationError.self) { try database.migrate(broken) }
        #expect(error.map { "\($0)" }?.contains("begins a transaction") == true)
        try database.expect("SELECT to_regclass('b') IS NULL", "t")
    }
}
