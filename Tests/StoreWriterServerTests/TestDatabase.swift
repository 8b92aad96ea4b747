import Foundation
import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

/// The database of one test on the shared server, with its own roles as in production: a migrator
/// that may make schemas, and a writer without rights.
struct TestDatabase: StatementTarget {
    let server: PostgresServer
    let name: String
    let schema: SchemaName

    var migrator: String { PostgresServer.migrator(of: name) }
    var writer: String { PostgresServer.writer(of: name) }

    init(
        _ name: String, schema: String = "md", timescale: Bool = false,
        server: PostgresServer? = nil
    ) throws {
        self.server = try server ?? PostgresServer.shared()
        self.name = try self.server.createDatabase(name, timescale: timescale)
        self.schema = try #require(SchemaName(schema))
        try self.server.createRoles(of: name)
    }

    init(existing name: String, _ schema: String, _ server: PostgresServer) throws {
        self.server = server
        self.name = name
        self.schema = try #require(SchemaName(schema))
    }

    func connect(
        _ user: String, searchPath: String? = nil, lockTimeout: Duration = Migrator.lockTimeout
    ) throws -> PostgresConnection {
        var configuration = PostgresConfiguration(
            host: "127.0.0.1", port: server.port, database: name, user: user,
            password: PostgresServer.password)
        if let searchPath { configuration.settings = [("search_path", searchPath)] }
        configuration = Migrator.configured(configuration)
        configuration.lockTimeout = lockTimeout
        return try PostgresConnection(configuration, timeout: patience)
    }

    /// Connects as the store writer does.
    func connectWriter() throws -> PostgresConnection {
        try connect(writer, searchPath: schema.searchPath)
    }

    @discardableResult
    func migrate(
        _ folder: MigrationFolder? = nil, wishes: Migrator.Wishes = Migrator.Wishes()
    ) throws -> Migrator.Report {
        try migration(wishes).run(try folder ?? Self.shipped())
    }

    func migration(
        _ wishes: Migrator.Wishes = Migrator.Wishes(), schema: SchemaName? = nil,
        reader: String? = nil
    ) throws -> Migrator {
        Migrator(
            try connect(migrator), schema: schema ?? self.schema, runtimeRole: writer,
            readerRole: reader, wishes: wishes, timeout: patience)
    }

    /// The name of a role that only reads, and of a member of it.
    var reader: String { "\(name)_reader" }
    var readersMember: String { "\(reader)_ada" }

    /// Migrates it this often, with a reader and a member of it that can log in.
    func migrateForReaders(times: Int = 1) throws {
        let login = "LOGIN PASSWORD '\(PostgresServer.password)'"
        try server.psql(
            "CREATE ROLE \(reader) \(login); "
                + "CREATE ROLE \(readersMember) \(login) IN ROLE \(reader)")
        for _ in 0..<times { _ = try migration(reader: reader).run(try Self.shipped()) }
    }

    /// Returns the URL with which programs of others read what is for people.
    func url(_ more: String = "") -> String {
        let password = PostgresServer.password.replacing(" ", with: "%20")
        return "postgresql://\(reader):\(password)@127.0.0.1:\(server.port)/\(name)"
            + "?options=-csearch_path%3Dmd_market\(more)"
    }

    /// Fills it with the rows of a file beside the tests.
    func fill(from file: String) throws {
        let folder = "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests"
        try psql(try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8))
    }

    /// Returns how many pages a query reads, and its plan; `first` is what the session did before.
    func pages(_ query: String, after first: String = "") throws -> (read: Int, plan: String) {
        let plan = try psql(
            "\(first); EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) \(query)")
        let buffers = plan.split(separator: "\n").first { $0.contains("Buffers: shared") }
        let read = try #require(buffers).matches(of: /(?:hit|read)=(\d+)/)
            .reduce(0) { $0 + (Int($1.1) ?? 0) }
        return (read, plan)
    }

    /// Makes a partition for all other days, for tests with random times.
    func takeAllTimes() throws {
        try psql(
            """
            DO $$
            DECLARE cut text;
            BEGIN
                FOR cut IN SELECT table_name FROM time_tables() WHERE shape = 'native' LOOP
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', cut || '_all', cut);
                END LOOP;
            END
            $$
            """)
    }

    @discardableResult
    func psql(_ sql: String) throws -> String {
        try server.psql("SET search_path TO \(schema.quoted), public; \(sql)", database: name)
    }

    /// Returns a statement that advances positions to where they are, which takes their locks.
    static func advanceAgain(where condition: String = "true", more: String = "") -> String {
        """
        SELECT advance_positions('store', (SELECT jsonb_agg(jsonb_build_object('input', input,
            'partition', partition, 'owner_epoch', owner_epoch, 'stream_created_ns',
            stream_created_ns, 'sequence', sequence, 'packet_epoch', packet_epoch,
            'packet_ordinal', packet_ordinal, 'packet_crc', packet_crc\(more)))
            FROM sink_positions WHERE \(condition)))
        """
    }

    /// Selects something of the writer's sessions in that state.
    @discardableResult
    func ofSessions(_ selected: String, _ condition: String = "true") throws -> String {
        try psql(
            """
            SELECT \(selected) FROM pg_stat_activity
            WHERE usename = '\(writer)' AND (\(condition))
            """)
    }

    /// Ends those sessions, whatever they do.
    func terminate(_ condition: String = "true") throws {
        try ofSessions("count(pg_terminate_backend(pid))", condition)
    }

    /// A table that a view reads cannot get other columns.
    static let withoutMarket = """
        DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE', current_schema() || '_market'); END $$;
        DROP VIEW IF EXISTS trades, quotes CASCADE
        """

    static let deployed = "\(ServerPrograms.checkout)/deploy/postgres"
    static func shipped() throws -> MigrationFolder { try MigrationFolder(path: deployed) }

    /// Returns what is shipped with the files of a made-up second release after it.
    static func secondRelease() throws -> MigrationFolder {
        let folder = try TemporaryFolder("migrations")
        try run(
            "/bin/cp",
            [
                "-r", "\(deployed)/.",
                "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/SecondRelease/.",
            ]
                + [folder.path])
        return try MigrationFolder(path: folder.path)
    }
}

extension TestDatabase {
    init(_ name: String, schema: String = "md", mode: DatabaseMode) throws {
        try self.init(
            "\(name)_\(mode)", schema: schema, timescale: !mode.isPlain, server: mode.server())
    }

    /// Makes a database that is as if it had been migrated, in less time: a copy. It is for tests
    /// whose subject is not the migration.
    static func migrated(
        _ name: String, schema: String = "md", timescale: Bool = false,
        server: PostgresServer? = nil
    ) throws -> TestDatabase {
        let server = try server ?? PostgresServer.shared()
        try server.createMigrated(name, schema: schema, timescale: timescale) { template in
            try TestDatabase(existing: template, template, server).migrate()
        }
        return try TestDatabase(existing: name, schema, server)
    }

    static func migrated(
        _ name: String, schema: String = "md", mode: DatabaseMode
    ) throws -> TestDatabase {
        try migrated(
            "\(name)_\(mode)", schema: schema, timescale: !mode.isPlain, server: mode.server())
    }

    /// Inserts trades a second apart from `start`. They were received then, or at `received`.
    func insertTrades(
        _ count: Int, from start: String, ordinal: Int = 1, received: String? = nil
    ) throws {
        try psql(
            """
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT \(start) + (n - 1) * interval '1 second', n, 'A', 1, 1,
                coalesce(\(received ?? "NULL"), \(start)), 1, 's', 0, 1, \(ordinal) + n - 1
            FROM generate_series(1, \(count)) AS n
            """)
    }
}

// MARK: what statements answer

/// Takes statements, by psql.
protocol StatementTarget {
    func psql(_ sql: String) throws -> String
}

extension PostgresServer: StatementTarget {
    @discardableResult
    func psql(_ sql: String) throws -> String { try psql(sql, database: "postgres") }
}

extension StatementTarget {
    /// Expects that a statement returns these rows.
    func expect(
        _ sql: String, _ rows: String, _ comment: @autoclosure () -> Comment? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let found = try psql(sql)
        #expect(found == rows, comment(), sourceLocation: location)
    }

    /// Waits until a statement returns these rows.
    func expectSoon(
        _ sql: String, _ rows: String, _ comment: @autoclosure () -> Comment? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        var found = ""
        _ = try eventually {
            found = try psql(sql)
            return found == rows
        }
        #expect(found == rows, comment(), sourceLocation: location)
    }
}

extension PostgresConnection {
    /// Expects that a statement returns this one value.
    func expect(
        _ sql: String, _ value: String, _ comment: @autoclosure () -> Comment? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let found = try execute(sql).scalar
        #expect(found == value, comment(), sourceLocation: location)
    }

    /// Expects that a statement is refused, with this code where one is given. Returns the
    /// server's message.
    @discardableResult
    func refusal(
        of sql: String, _ code: SQLState? = nil, _ location: SourceLocation = #_sourceLocation
    ) -> String {
        let error = #expect(throws: PostgresError.self, "\(sql)", sourceLocation: location) {
            try execute(sql)
        }
        #expect(code == nil || error?.sqlState == code, "\(sql)", sourceLocation: location)
        return error?.serverError?.message ?? ""
    }
}

extension SQLState {
    /// What was known at a time is not certain.
    static let uncertain = SQLState(rawValue: "TL020")
    /// A table has no time partitions.
    static let notByTime = SQLState(rawValue: "TL011")
}
