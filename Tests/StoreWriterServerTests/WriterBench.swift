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

@testable import MembershipTransport
@testable import StoreWriter

/// The server that all writers' tests of this process share. Each test has its own keys.
enum Peers {
    static let valkey = Result { try ValkeyServer() }
}

extension HandMembership: WriterMembership {}

/// The tape and the migrated database of one test, with writers between them.
struct WriterBench {
    let tape: TestTape
    let database: TestDatabase
    /// The records of the partitions' owners, shared by all writers of the test.
    let records = HandRecords()

    /// `name` is the database's name. The namespace is that of the schema.
    init(
        _ name: String, nats: NatsServer? = nil, server: PostgresServer? = nil,
        partitions: Int = 4, timescale: Bool = false
    ) throws {
        let namespace = name.replacing("writer_", with: "w")
        tape = try TestTape(
            nats ?? NatsServer.shared(), namespace: namespace, partitions: partitions)
        if let server {
            // A copy pays off from the second database of a server on.
            database = try TestDatabase(
                name, schema: namespace, timescale: timescale, server: server)
            try database.migrate()
        } else {
            database = try TestDatabase.migrated(name, schema: namespace, timescale: timescale)
        }
        try makeDays()
    }

    /// Another database for an existing tape.
    init(
        _ tape: TestTape, _ database: TestDatabase, retention: [String: Int]? = nil
    ) throws {
        self.tape = tape
        self.database = database
        try database.migrate(wishes: Migrator.Wishes(retention: retention))
        try makeDays()
    }

    /// Makes the days of `fill`, so that only tests of missing days have to wait for them.
    private func makeDays() throws {
        try database.psql(
            """
            SELECT make_time_partition(table_name, '2023-11-14 22:13Z'::timestamptz + day)
            FROM time_tables(), unnest(ARRAY[interval '0 days', interval '1 day']) AS day
            """)
        // Adds times that only tests of the mapping use, for which no partition is made.
        try database.psql(
            """
            SET ROLE \(database.migrator);
            DO $$
            DECLARE cut text;
            BEGIN
                FOR cut IN SELECT table_name FROM time_tables() WHERE shape = 'native' LOOP
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I
                        FOR VALUES FROM (MINVALUE) TO (''1970-01-01Z'')', cut || '_first', cut);
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I
                        FOR VALUES FROM (''2262-01-01Z'') TO (MAXVALUE)', cut || '_last', cut);
                END LOOP;
            END
            $$
            """)
    }

    /// Makes the bucket of owners, as 'tapeline setup' does.
    func makeOwners() throws {
        _ = try tape.client.jetStream.createBucket(OwnerRecords.configuration(tape.names))
    }

    func environment(valkey: ValkeyServer? = nil) -> [String: String] {
        var environment = tape.environment
        environment["POSTGRES_HOST"] = "127.0.0.1"
        environment["POSTGRES_PORT"] = String(database.server.port)
        environment["POSTGRES_DB"] = database.name
        environment["POSTGRES_USER"] = database.writer
        environment["POSTGRES_PASSWORD"] = PostgresServer.password
        environment["WRITER_BATCH_WAIT"] = "20ms"
        // So that what holds up one worker can be seen not to hold up others.
        environment["WRITER_THREADS"] = "4"
        environment["WRITER_HOT_STATE"] = valkey == nil ? "false" : "true"
        if let valkey {
            environment["VALKEY_PORT"] = String(valkey.port)
            environment["VALKEY_PASSWORD"] = ValkeyServer.password
        }
        return environment
    }

    /// Starts a writer. Without a membership from the test it takes all partitions. With
    /// `isEarly` false it writes no batch early.
    func start(
        _ changes: [String: String] = [:], valkey: ValkeyServer? = nil, client: TapeClient? = nil,
        isEarly: Bool = true, membership: (any WriterMembership)? = nil
    ) throws -> RunningService {
        let all = Array(0..<tape.names.partitions)
        let membership = membership ?? HandMembership(records, takes: all)
        return try start(changes, valkey: valkey, client: client, isEarly: isEarly) { ports in
            (membership as? HandMembership)?.join(ports)
            return membership
        }
    }

    func start(
        _ changes: [String: String] = [:], valkey: ValkeyServer? = nil, client: TapeClient? = nil,
        isEarly: Bool = true, join: @escaping Writer.Join
    ) throws -> RunningService {
        let service = try TestService(
            Main.description, environment(valkey: valkey).merging(changes) { $1 })
        var settings = WriterSettings(service.context.configuration)
        settings.batches.mayBeEarly = isEarly
        let client = try client ?? tape.connect(service)
        return try service.start { [settings] context in
            defer { client.close() }
            return try Writer(
                settings, client: client, context: context, report: WriterReport(), join: join
            ).run()
        }
    }

    /// Returns a source of one partition, which has one symbol.
    func source(_ partition: Int, name: String = "test") throws -> TestSource {
        var source = TestSource(tape, Partition(partition), source: try #require(SourceName(name)))
        try source.define("S\(partition)", provider: "test")
        return source
    }

    /// The time of the first tick of `fill`.
    static let start: Int64 = 1_700_000_000_000_000_000

    /// Appends ticks: each fourth is a quote, the others are trades.
    static func fill(_ source: inout TestSource, ticks: Int) {
        for number in 0..<ticks {
            let time = start + Int64(source.nextOrdinal) * 1_000_000_000 + Int64(number)
            let header = TickHeader(at: time, received: time + 5)
            if number % 4 == 0 {
                source.append(
                    Quote(
                        header: header, bidPrice: Price(raw: 1), bidSize: Quantity(raw: 1),
                        askPrice: Price(raw: 2), askSize: Quantity(raw: 1)))
            } else {
                source.append(
                    Trade(
                        header: header, price: Price(raw: Int64(number)), size: Quantity(raw: 1)))
            }
        }
    }

    /// Waits for the final state: the sinks' books and the rows agree, with nothing missing and
    /// nothing twice.
    func isComplete(_ ticks: [Int], within seconds: Double = 120) -> Bool {
        let rows = ticks.enumerated().filter { $0.element > 0 }
            .map { "test|\($0.offset)|\($0.element)|\($0.element)|1|\($0.element)" }
            .joined(separator: "\n")
        return eventually(within: seconds) {
            do {
                return try stored() == rows
            } catch {
                return false
            }
        }
    }

    /// Returns the books: how many rows and ordinals of each partition are stored, and which.
    func stored() throws -> String {
        try database.psql(
            """
            SELECT source, partition, rows, ordinals, first_ordinal, last_ordinal
            FROM stored_ticks ORDER BY 1, 2
            """)
    }

    /// The state, for the message of a failing test.
    var shown: String {
        do {
            return try stored()
        } catch {
            return "\(error)"
        }
    }

    /// Stops writers, and expects that no ordinal is missing in the books or there twice.
    func stopAndAudit(
        _ writers: RunningService..., location: SourceLocation = #_sourceLocation
    ) throws {
        for writer in writers {
            #expect(try writer.stop() == .success, sourceLocation: location)
        }
        #expect(try missing() == "0", sourceLocation: location)
    }

    /// Returns how many ordinals the books miss, or have twice.
    func missing() throws -> String {
        try database.psql("SELECT coalesce(sum(abs(missing)), -1) FROM sink_audit")
    }
}

extension TestService {
    /// Starts a writer on the tape that takes partitions 0 and 1.
    func startWriter(
        _ settings: WriterSettings, on tape: TestTape, _ records: HandRecords
    ) throws -> RunningService {
        let client = try tape.connect(self)
        let member = HandMembership(records, takes: [0, 1])
        return try start { context in
            defer { client.close() }
            return try Writer(
                settings, client: client, context: context, report: WriterReport()
            ) { ports in
                member.join(ports)
                return member
            }.run()
        }
    }
}
