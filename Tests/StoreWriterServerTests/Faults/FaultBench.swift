import MarketModel
import PostgresClient
import Primitives
import Seeds
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// A tape, and a database server that belongs to the test, so that every fault is allowed.
struct FaultBench {
    /// The memory limit during every stall, because the queue and what waits for it are bounded.
    static let residentMiBMax = 300

    let server: PostgresServer
    let bench: WriterBench
    private var ticks: TestTicks
    private var bars: TestSource?
    private(set) var publishedBars = 0
    /// The number of ticks on each partition.
    var published: Int { ticks.count }
    var database: TestDatabase { bench.database }

    init(
        _ name: String, settings: [String] = [], timescale: Bool = false,
        server own: PostgresServer? = nil
    ) throws {
        server = try own ?? PostgresServer(settings: settings)
        // Letters and digits only, because a namespace, a database and a role get this name.
        bench = try WriterBench(
            "writer_\(name.filter(\.isLetter))", server: server, timescale: timescale)
        try bench.makeOwners()
        ticks = try TestTicks(bench)
    }

    /// Publishes bars on one partition.
    mutating func publishBars(_ count: Int = 600) throws {
        var lane = try bars ?? bench.bars("S1", of: "test")
        for number in 0..<count {
            lane.append(
                Bar(from: WriterBench.start + Int64(publishedBars + number) * 1_000_000_000))
        }
        try lane.publish(watermark: Timestamp(nanoseconds: WriterBench.start))
        bars = lane
        publishedBars += count
    }

    /// Waits until all published bars are rows.
    func hasAllBars() throws -> Bool {
        try eventually {
            try database.psql("SELECT count(*) FROM bars") == "\(publishedBars)"
        }
    }

    /// Puts this many packets on each partition.
    mutating func publish(packets: Int = 8) throws { try ticks.publish(packets: packets) }

    /// Waits until all published ticks are stored, once.
    func isComplete() -> Bool { ticks.areStored() }

    /// Publishes more, and expects that everything is stored once and nothing set aside, that the
    /// books agree, and that the writer ends in order.
    mutating func stopAndAudit(
        _ writer: WriterProcess, _ location: SourceLocation = #_sourceLocation
    ) throws {
        try publish()
        #expect(
            isComplete(), "\(published) each, not \(bench.shown)\n\(writer.log)",
            sourceLocation: location)
        #expect(try writer.residentPeakMiB() < Self.residentMiBMax, sourceLocation: location)
        #expect(writer.stop() == 0, "\(writer.log)", sourceLocation: location)
        #expect(try bench.missing() == "0", sourceLocation: location)
        try database.expect(
            "SELECT coalesce(sum(dead_lettered), 0) FROM sink_source_ordinals", "0", nil, location)
    }

    // MARK: the server

    /// Opens a session that may do anything, and holds its locks until it is closed.
    func rival() throws -> PostgresConnection {
        var configuration = PostgresConfiguration(
            host: "127.0.0.1", port: server.port, database: database.name,
            user: PostgresServer.user, password: PostgresServer.password)
        configuration.settings = [("search_path", database.schema.searchPath)]
        configuration.idleInTransactionTimeout = .seconds(3_600)
        configuration.statementTimeout = .seconds(3_600)
        return try PostgresConnection(configuration, timeout: patience)
    }

    /// Returns the number of the writer's sessions in that state.
    func sessions(_ condition: String) throws -> Int {
        try #require(Int(database.ofSessions("count(*)", condition)))
    }

    /// Waits until a session of the writer is in that state.
    func hasSession(_ condition: String) throws -> Bool {
        try eventually { try sessions(condition) > 0 }
    }

    // MARK: the moment of the commit

    /// A moment in a transaction of the writer at which a test can hold it.
    enum Moment: String {
        /// In the message of the COMMIT, when all rows are written and the position is not.
        case beforePosition = """
            TRIGGER hold BEFORE UPDATE ON sink_positions
                FOR EACH ROW WHEN (new.sequence > old.sequence)
            """
        /// In the message of the COMMIT, before it.
        case beforeCommit = """
            TRIGGER hold AFTER INSERT OR UPDATE ON sink_source_ordinals
                FOR EACH ROW WHEN (new.written > 0)
            """
        /// During the COMMIT.
        case inCommit = """
            CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE ON sink_source_ordinals
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.written > 0)
            """
    }

    /// How often a writer, or its session, ends at a moment.
    static var rounds: Int { Seeds.isNight ? 5 : 1 }

    /// Of the advisory lock of `hold`.
    private static let holdKey = 4_711

    /// Makes the writer's transactions with rows wait at that moment, while a session holds them.
    func prepareHold(_ moment: Moment) throws {
        try database.psql(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock_shared(\(Self.holdKey));
                RETURN new;
            END
            $$;
            CREATE \(moment.rawValue) EXECUTE FUNCTION hold();
            """)
    }

    /// Holds transactions at the moment that was prepared, until the session is closed.
    func hold() throws -> PostgresConnection {
        let holder = try rival()
        try holder.script("SELECT pg_advisory_lock(\(Self.holdKey))")
        return holder
    }

    /// The state of a session that waits so.
    /// Sessions wait for other advisory locks, too, while they claim.
    static let isHeld = """
        pid IN (SELECT l.pid FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'advisory'
            AND l.objid = \(holdKey))
        """
}
