import Foundation
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter
@testable import TapelineTool
@testable import TapelineToolTests

/// A writer between a tape that can be destroyed and a database.
final class AcceptBench {
    let nats: NatsServer
    let tape: TestTape
    let database: String
    let postgres: PostgresServer
    private let records = HandRecords()
    private let folder: TemporaryFolder

    private let timescale: Bool

    /// With `other`, it is another database at the same tape.
    init(_ name: String, timescale: Bool = false, beside other: AcceptBench? = nil) throws {
        self.timescale = timescale
        nats = try other?.nats ?? NatsServer()
        tape = try other?.tape ?? TestTape(nats, namespace: "md")
        postgres = try PostgresServer.shared()
        folder = try TemporaryFolder("accept")
        database = "accept_\(name)"
        try postgres.createMigrated(
            database, schema: "md", timescale: timescale
        ) { [postgres] template in
            var owner = PostgresConfiguration(
                host: "127.0.0.1", port: postgres.port, database: template,
                user: PostgresServer.user, password: PostgresServer.password)
            owner.sslMode = .disable
            let migrator = Migrator(
                try PostgresConnection(Migrator.configured(owner), timeout: .seconds(60)),
                schema: try #require(SchemaName(template)),
                runtimeRole: PostgresServer.writer(of: template), timeout: .seconds(60))
            _ = try migrator.run(
                try MigrationFolder(path: "\(ServerPrograms.checkout)/deploy/postgres"))
        }
        _ = try query("SELECT make_time_partition('trades', '2023-11-14 22:13Z')")
    }

    var environment: [String: String] {
        tape.environment.merging([
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": String(postgres.port),
            "POSTGRES_DB": database, "POSTGRES_USER": PostgresServer.writer(of: database),
            "POSTGRES_PASSWORD": PostgresServer.password,
        ]) { $1 }
    }

    /// Starts a writer in this process, which takes all partitions.
    func startWriter(_ changes: [String: String] = [:]) throws -> RunningService {
        let service = try TestService(
            StoreWriter.Main.description,
            environment.merging([
                "WRITER_BATCH_WAIT": "20ms", "WRITER_HOT_STATE": "false",
            ]) { $1 }.merging(changes) { $1 })
        let settings = WriterSettings(service.context.configuration)
        let client = try tape.connect(service)
        let all = HandMembership(records, takes: [0, 1, 2, 3])
        return try service.start { context in
            defer { client.close() }
            return try Writer(
                settings, client: client, context: context, report: WriterReport()
            ) { ports in
                all.join(ports)
                return all
            }.run()
        }
    }

    /// Starts the shipped worker with the graph of a file.
    func startWorker(
        _ graph: String, _ changes: [String: String] = [:], number: Int = 0
    ) throws -> ServerProcess {
        try ServerProcess(
            try ProductPrograms.path("operator-worker"), [],
            environment: tape.environment.merging([
                "OPERATOR_GRAPH": graph, "OPS_PORT": "0", "MDS_MEMBER": "worker-0",
                "LOG_FORMAT": "json",
            ]) { $1 }.merging(changes) { $1 }
                .merging(ProductPrograms.profile("operator-worker")) { $1 },
            logPath: folder.file("worker-\(number).log"))
    }

    /// Runs a command of `tapeline` with the worker's graph.
    func tapeline(_ words: [String], graph: String) throws -> Said {
        try Said(words, environment.merging(["OPERATOR_GRAPH": graph]) { $1 })
    }

    /// Expects that `tapeline prove` finds so many bars of AAPL on the tape, and as many in the
    /// tables, that are equal to those that it computes.
    func expectProvedBars(_ equal: Int, graph: String) throws {
        let said = try tapeline(
            [
                "prove", "AAPL", "--from", "2023-11-14T22:14:00Z", "--to", "2023-11-14T22:19:00Z",
                "--json",
            ], graph: graph)
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        for side in ["tape", "tables"] {
            #expect(try said.json()[side]?["equal"]?.int == equal, "\(side): \(said.output)")
        }
    }

    /// Returns a source of one partition, which has one symbol.
    func source(_ partition: Int, name: String = "test") throws -> TestSource {
        var source = TestSource(tape, Partition(partition), source: try #require(SourceName(name)))
        _ = source.register(
            SymbolDefinition(
                symbol: try #require(Symbol("S\(partition)")), provider: "test",
                since: .undefined))
        return source
    }

    /// Publishes packets of five trades. Each trade contains its original ordinal, and the number
    /// of the tape's life.
    static func publish(_ source: inout TestSource, packets: Int, life: Int64 = 1) throws {
        for _ in 0..<packets {
            for offset in 0..<5 {
                let time = Timestamp(
                    nanoseconds: 1_700_000_000_000_000_000 + Int64(source.nextOrdinal)
                        + Int64(offset))
                source.append(
                    Trade(
                        header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
                        price: Price(raw: life * 1_000_000_000), size: Quantity(raw: 1)))
            }
            try source.publish(watermark: .undefined)
        }
    }

    func query(_ sql: String) throws -> String {
        try postgres.psql("SET search_path TO md; \(sql)", database: database)
    }

    /// Returns the ordinals with rows, as ranges: "1-50 61-80".
    func rows(_ partition: Int) throws -> String {
        try query(
            """
            SELECT coalesce(string_agg(format('%s-%s', low, high), ' ' ORDER BY low), '')
            FROM (SELECT min(ordinal) AS low, max(ordinal) AS high FROM (
                SELECT ordinal, ordinal - row_number() OVER (ORDER BY ordinal) AS island
                FROM trades WHERE partition = \(partition)) AS numbered GROUP BY island) AS islands
            """)
    }

    /// Waits until an answer of the database is the wanted one.
    func expect(
        _ wanted: String, _ location: SourceLocation = #_sourceLocation,
        log: @autoclosure () -> String = "", _ answer: () throws -> String
    ) throws {
        var found = ""
        let isThere = try eventually {
            found = try answer()
            return found == wanted
        }
        try #require(isThere, "\(found)\n\(log().suffix(2_000))", sourceLocation: location)
    }

    /// Waits until a partition has these rows, as `rows` shows them.
    func expectRows(
        _ partition: Int, _ rows: String, _ location: SourceLocation = #_sourceLocation
    ) throws {
        try expect(rows, location) { try self.rows(partition) }
    }

    /// The recorded gaps as "source/partition first-last reason, …".
    var gaps: String {
        get throws {
            try query(
                """
                SELECT coalesce(string_agg(format('%s/%s %s-%s %s', source, partition,
                    first_ordinal, last_ordinal, reason), ', ' ORDER BY id), '') FROM gaps
                """)
        }
    }

    /// Expects that the audit of the database passes.
    func expectCleanAudit(_ location: SourceLocation = #_sourceLocation) throws {
        #expect(
            try query("SELECT count(*) FROM sink_audit WHERE missing <> 0") == "0",
            sourceLocation: location)
        let text = try postgres.psql(
            file: "\(ServerPrograms.checkout)/deploy/postgres/audit.sql",
            variables: ["schema=md"], database: database)
        for line in text.split(separator: "\n") where line.contains("|") {
            #expect(line.contains("|t|"), "\(line)", sourceLocation: location)
        }
    }

    /// Runs a command of `tapeline` on this tape and database.
    func tapeline(_ words: String...) throws -> Said { try Said(words, environment) }

    // MARK: disasters

    /// Calls JetStream's API and expects success.
    func api(_ path: String, _ body: String = "") throws {
        let answer = try tape.client.connection.request(
            Array(body.utf8), to: "$JS.API.\(path)", timeout: patience)
        let error = try JSONValue.parse(answer.payload)["error"]
        try #require(error == nil, "\(path): \(String(describing: error))")
    }

    /// Keeps a copy of the tape's store.
    func snapshot() throws {
        nats.stop()
        try FileManager.default.copyItem(
            atPath: nats.folder.file("store"), toPath: nats.folder.file("copy"))
        try nats.start()
        #expect(eventually { tape.client.connection.isConnected })
    }

    /// Kills NATS, and restores the tape's store from the copy.
    func restoreSnapshot() throws {
        nats.kill()
        try FileManager.default.removeItem(atPath: nats.folder.file("store"))
        try FileManager.default.copyItem(
            atPath: nats.folder.file("copy"), toPath: nats.folder.file("store"))
        try nats.start()
        #expect(eventually { tape.client.connection.isConnected })
    }
}

// MARK: backups of the database

extension AcceptBench {
    private var dump: String { folder.file("dump.sql") }

    func dumpDatabase() throws {
        try run(
            ServerPrograms.database("pg_dump"),
            ["-h", "127.0.0.1", "-p", "\(postgres.port)", "-U", PostgresServer.user]
                + ["-d", database, "-f", dump],
            environment: ["PGPASSWORD": PostgresServer.password])
    }

    /// Restores the database as docs/backup.md describes, while sessions are connected.
    func restoreDatabase() throws {
        try postgres.psql("DROP DATABASE \(database) WITH (FORCE)")
        try postgres.createDatabase(database, timescale: timescale)
        if timescale { try postgres.psql("SELECT timescaledb_pre_restore()", database: database) }
        try postgres.psql(file: dump, database: database)
        if timescale { try postgres.psql("SELECT timescaledb_post_restore()", database: database) }
    }
}

extension HandMembership: WriterMembership {}
