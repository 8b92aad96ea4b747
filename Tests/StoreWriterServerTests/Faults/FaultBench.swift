import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import MembershipTransport
@testable import StoreWriter

/// A tape, and a database server that belongs to the test, so that every fault is allowed.
struct FaultBench {
    /// The memory limit during every stall, because the queue and what waits for it are bounded.
    static let residentMiBMax = 300
    private static let partitions = 4
    private static let ticksPerPacket = 25

    let server: PostgresServer
    let bench: WriterBench
    private var sources: [TestSource]
    private var bars: TestSource?
    private(set) var publishedBars = 0
    /// The number of ticks on each partition.
    private(set) var published = 0

    init(
        _ name: String, settings: [String] = [], timescale: Bool = false,
        server own: PostgresServer? = nil
    ) throws {
        server = try own ?? PostgresServer(settings: settings)
        // Letters and digits only, because a namespace, a database and a role get this name.
        bench = try WriterBench(
            "writer_\(name.filter(\.isLetter))", server: server, timescale: timescale)
        // Normally a gateway makes it.
        _ = try bench.tape.client.jetStream.createBucket(
            OwnerRecords.configuration(bench.tape.names))
        let bench = bench
        sources = try (0..<Self.partitions).map { try bench.source($0) }
    }

    /// Publishes bars on one partition. Returns their total number.
    mutating func publishBars(_ count: Int = 600) throws {
        if bars == nil {
            var source = TestSource(
                bench.tape, Partition(1), source: .operator, kind: .bars)
            _ = source.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("S1")), provider: "", since: .undefined,
                    source: SourceName("test")))
            _ = source.register(
                SeriesDefinition(name: try #require(SeriesName("1s")), widthNanoseconds: 1))
            bars = source
        }
        for number in 0..<count {
            let open = WriterBench.start + Int64(publishedBars + number) * 1_000_000_000
            bars?.append(
                Bar(
                    symbol: 0, series: 0, openTime: Timestamp(nanoseconds: open),
                    closeTime: Timestamp(nanoseconds: open + 1_000_000_000)))
        }
        try bars?.publish(watermark: Timestamp(nanoseconds: WriterBench.start))
        publishedBars += count
    }

    func hasAllBars() throws -> Bool {
        try eventually {
            try bench.database.psql("SELECT count(*) FROM bars") == "\(publishedBars)"
        }
    }

    /// Puts this many packets on each partition.
    mutating func publish(packets: Int = 8) throws {
        for _ in 0..<packets {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: Self.ticksPerPacket)
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
        published += packets * Self.ticksPerPacket
    }

    func isComplete(within seconds: Double = 120) -> Bool {
        bench.isComplete([Int](repeating: published, count: Self.partitions), within: seconds)
    }

    /// Publishes more, and expects that everything is stored once, that the books agree, and that
    /// the writer ends in order.
    mutating func expectAudit(
        _ writer: WriterProcess, _ location: SourceLocation = #_sourceLocation
    ) throws {
        try publish()
        #expect(
            isComplete(), "\(published) each, not \(bench.shown)\n\(writer.log)",
            sourceLocation: location)
        #expect(
            try writer.residentPeakMiB() < Self.residentMiBMax, sourceLocation: location)
        #expect(writer.stop() == 0, "\(writer.log)", sourceLocation: location)
        #expect(try bench.missing() == "0", sourceLocation: location)
    }

    // MARK: the server

    /// Opens a session that may do anything, and holds its locks until it is closed.
    func rival() throws -> PostgresConnection {
        var configuration = PostgresConfiguration(
            host: "127.0.0.1", port: server.port, database: bench.database.name,
            user: PostgresServer.user, password: PostgresServer.password)
        configuration.settings = [("search_path", bench.database.schema.searchPath)]
        configuration.idleInTransactionTimeout = .seconds(3_600)
        configuration.statementTimeout = .seconds(3_600)
        return try PostgresConnection(configuration, timeout: patience)
    }

    /// Returns the number of the writer's sessions in that state.
    func sessions(_ condition: String) throws -> Int {
        let count = try bench.database.psql(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE usename = '\(bench.database.writer)' AND (\(condition))
            """)
        return try #require(Int(count))
    }

    func waits(_ condition: String) throws -> Bool {
        try eventually { try sessions(condition) > 0 }
    }

    /// Ends those sessions, whatever they do.
    func terminate(_ condition: String = "true") throws {
        try bench.database.psql(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE usename = '\(bench.database.writer)' AND (\(condition))
            """)
    }

    // MARK: the moment of the commit

    /// A moment in a transaction of the writer at which a test can hold it.
    enum Moment: String {
        /// In the message of the COMMIT, before it.
        case beforeCommit = "TRIGGER hold AFTER UPDATE ON sink_positions"
        /// During the COMMIT.
        case inCommit = """
            CONSTRAINT TRIGGER hold AFTER UPDATE ON sink_positions DEFERRABLE INITIALLY DEFERRED
            """
    }

    /// Makes the writer's transactions wait at that moment, until the session is closed.
    func hold(_ moment: Moment) throws -> PostgresConnection {
        try bench.database.psql(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock_shared(4711);
                RETURN NULL;
            END
            $$;
            CREATE \(moment.rawValue) FOR EACH ROW EXECUTE FUNCTION hold();
            """)
        let holder = try rival()
        try holder.script("SELECT pg_advisory_lock(4711)", timeout: patience)
        return holder
    }

    static let isHeld = "wait_event = 'advisory'"
}
