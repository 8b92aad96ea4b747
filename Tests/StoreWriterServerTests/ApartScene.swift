import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

/// A bench whose packets have trades, quotes and records of gaps: tables of two groups.
final class ApartScene {
    static let count = 10
    /// How many of the ticks of a packet are trades. The others are quotes.
    static let trades = 7
    /// So many packets have the refused trades after which a group waits apart: in the last one.
    static let packetsUntilApart = (RefusedInARow.rowsMax + trades - 1) / trades

    let bench: WriterBench
    private var sources: [TestSource]
    /// The number of records on each partition.
    private(set) var ordinals = 0
    private let locker: PostgresConnection

    init(_ name: String, partitions: Int = 2) throws {
        let bench = try WriterBench(name)
        self.bench = bench
        sources = try (0..<partitions).map { try bench.source($0) }
        locker = try bench.database.connect(
            bench.database.migrator, searchPath: bench.database.schema.searchPath)
    }

    /// Starts a writer, which stores the first packets.
    func begin(
        _ changes: [String: String] = [:], _ location: SourceLocation = #_sourceLocation
    ) throws -> RunningService {
        let writer = try bench.start(changes)
        try publish(packets: 2)
        try expectAll(writer, location)
        return writer
    }

    var database: TestDatabase { bench.database }
    private var gaps: Int { sources.count * ordinals / (Self.count + 1) }
    private var ticks: Int { sources.count * ordinals - gaps }

    /// Puts packets onto each partition: `count` ticks and a gap each.
    func publish(packets: Int) throws {
        for _ in 0..<packets {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: Self.count)
                sources[index].append { builder in
                    builder.append(
                        GapRecord(
                            header: TickHeader(at: WriterBench.start, received: WriterBench.start),
                            from: .undefined, to: .undefined, kind: .any, reason: .disconnected,
                            state: .open)) == .appended
                }
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
        ordinals += packets * (Self.count + 1)
    }

    /// Publishes packets, whose gaps are stored.
    func storeGaps(packets: Int, _ location: SourceLocation = #_sourceLocation) throws {
        try publish(packets: packets)
        try expectGaps(location)
    }

    /// Leaves ordinals out on each partition, before the next packet.
    func skip(_ ordinals: UInt64) {
        for index in sources.indices { sources[index].skip = ordinals }
    }

    /// Makes a table refuse its rows, whatever they are.
    func refuse(_ table: String, for each: String = "STATEMENT", code: String = "42501") throws {
        try database.psql(
            """
            CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'not now' USING ERRCODE = '\(code)'; END $$;
            CREATE TRIGGER blocked BEFORE INSERT ON \(table)
                FOR EACH \(each) EXECUTE FUNCTION refuse()
            """)
    }

    func mend(_ table: String) throws {
        try database.psql("DROP TRIGGER blocked ON \(table)")
    }

    func lock(_ table: String, _ mode: String = "EXCLUSIVE") throws {
        try locker.execute("BEGIN", timeout: .seconds(10))
        try locker.execute("LOCK TABLE \(table) IN \(mode) MODE", timeout: .seconds(10))
    }

    /// Holds the rows of groups, as a transaction of their writers does.
    func holdGroup() throws {
        try locker.execute("BEGIN", timeout: .seconds(10))
        try locker.execute("SELECT FROM apart_groups FOR UPDATE", timeout: .seconds(10))
    }

    /// Publishes a packet at a time, with a moment between them, until something is so. Returns
    /// whether it is after at most `max` packets.
    func publish(until isSo: () -> Bool, max: Int) throws -> Bool {
        for _ in 0..<max {
            if isSo() { return true }
            try publish(packets: 1)
            _ = eventually(within: 0.005, isSo)
        }
        return isSo()
    }

    func unlock() throws { try locker.execute("ROLLBACK", timeout: .seconds(10)) }

    /// Makes the table of trades refuse its rows, and publishes until its group waits apart.
    func leave(packets: Int, _ location: SourceLocation = #_sourceLocation) throws {
        try refuse("trade_rows")
        try publish(packets: packets)
        try expectApart("ticks", location)
    }

    // MARK: expectations

    func expectGaps(_ location: SourceLocation = #_sourceLocation) throws {
        try database.expectSoon(
            "SELECT count(*) FROM gaps WHERE ordinal IS NOT NULL", "\(gaps)", "gaps", location)
    }

    func expectTicks(_ location: SourceLocation = #_sourceLocation) throws {
        try database.expectSoon(
            "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)", "\(ticks)",
            "ticks", location)
    }

    /// Expects which groups wait apart, and that the books are balanced meanwhile.
    func expectApart(_ groups: String, _ location: SourceLocation = #_sourceLocation) throws {
        try database.expectSoon(
            """
            SELECT coalesce(string_agg(DISTINCT table_group, ','), '') FROM apart_groups
            """, groups, "apart", location)
        #expect(try bench.missing() == "0", sourceLocation: location)
    }

    /// Expects that everything is stored once, and that nothing waits.
    func expectAll(
        _ writer: RunningService? = nil, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let isComplete = bench.isComplete([Int](repeating: ordinals, count: sources.count))
        #expect(
            isComplete,
            "\(ordinals) each, not \(bench.shown) \(writer?.log.text.suffix(4_000) ?? "")",
            sourceLocation: location)
        try expectApart("", location)
        try database.expect(
            "SELECT sum(waiting), sum(abs(missing)), sum(dead_lettered) FROM sink_audit", "0|0|0",
            nil, location)
    }
}
