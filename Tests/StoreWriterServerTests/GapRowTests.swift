import MarketModel
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

@Suite("Rows of what the tape says is missing")
struct GapRowTests {
    private static let time = Timestamp(nanoseconds: 1_700_000_000_123_456_789)

    /// Returns a packet of gap records: of a symbol, of all symbols, and for a reason that this
    /// version does not know. Between them is a tick whose table is switched off.
    private func records(_ source: TestSource, ordinal: UInt64) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: source.partition, source: source.source)
        let symbol = try builder.define("BRK.B", provider: "test")
        func header(_ symbol: UInt32) -> TickHeader {
            TickHeader(symbol: symbol, providerTime: .undefined, receiveTime: Self.time)
        }
        let all = TickHeader.noSymbol
        let of = GapRecord(
            header: header(symbol), from: Self.time,
            to: Self.time.advanced(byNanoseconds: 2_000), kind: .quote, reason: .gatewayLost,
            state: .filled, detail: "it's over")
        let lasting = GapRecord(
            header: header(all), from: .undefined, to: .undefined, kind: .any,
            reason: .disconnected, state: .open, firstOrdinal: 3, lastOrdinal: 9)
        var unknown = GapRecord(
            header: header(all), from: Self.time, to: Self.time, kind: .any, reason: .unknown,
            state: .open)
        unknown.reason = 200
        let bulletin = NewsBulletin(header: header(all), kind: .unknown, text: "x", exchange: "")
        let outcomes = [
            builder.append(of), builder.append(lasting), builder.append(bulletin),
            builder.append(unknown),
        ]
        try #require(outcomes.allSatisfy { $0 == .appended })
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 5, firstOrdinal: ordinal, watermark: Self.time, sendTime: Self.time))
    }

    @Test("a gap record is a row, once, and counts as written; the audits come out right")
    func rows() throws {
        let bench = try WriterBench("writer_gap")
        var source = try bench.source(0)
        WriterBench.fill(&source, ticks: 25)
        try source.publish(watermark: Self.time)
        try TestSource.put(
            records(source, ordinal: 26).bytes,
            on: bench.tape.names.ticks(source.partition, source.source), of: bench.tape)
        var behind = try bench.source(0)
        behind.epoch = 5
        behind.skip = 29
        WriterBench.fill(&behind, ticks: 10)
        try behind.publish(watermark: Self.time)
        let name = ["STORE_NAME": "store-b"]
        let running = try bench.start(
            name.merging(["STORE_TABLES": "trades,quotes,gaps,bars"]) { $1 })
        try bench.database.expectSoon(
            "SELECT last_ordinal, written, skipped FROM sink_source_ordinals "
                + "WHERE input = 'ticks' AND partition = 0", "39|38|1")
        let columns = """
            SELECT ordinal, epoch, symbol, kind, reason, state, detail, from_time_ns, to_time_ns,
                lost_first_ordinal, lost_last_ordinal, first_ordinal, last_ordinal,
                extract(epoch FROM from_time), receive_time IS NOT NULL, sink, input
            FROM gaps ORDER BY ordinal
            """
        try bench.database.expect(
            columns,
            """
            26|5|BRK.B|quote|gateway_lost|filled|it's over|\(Self.time.nanoseconds)|\
            1700000000123458789|||||1700000000.123456|t|store-b|ticks
            27|5||any|disconnected|open||||3|9||||t|store-b|ticks
            29|5||any|200|open||\(Self.time.nanoseconds)|\(Self.time.nanoseconds)|||||\
            1700000000.123456|t|store-b|ticks
            """)
        #expect(try bench.missing() == "0")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: bench.database)
        #expect(running.service.metric("sink_writes_total{sink=\"gaps\"}") == 3)
        #expect(try running.stop() == .success)
        // Another writer continues after them.
        let next = try bench.start(name)
        WriterBench.fill(&behind, ticks: 5)
        try behind.publish(watermark: Self.time)
        try bench.database.expectSoon(
            "SELECT rows, ordinals, last_ordinal FROM stored_ticks", "43|43|44", "\(bench.shown)")
        try bench.database.expect("SELECT count(*) FROM gaps", "3")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: bench.database)
        try next.stop()
    }

    @Test("a lost range that the tape names is no gap of the books")
    func lostOnTheTape() throws {
        let bench = try WriterBench("writer_gaplost")
        var source = try bench.source(0)
        WriterBench.fill(&source, ticks: 25)
        try source.publish(watermark: Self.time)
        try source.publishMarker(lost: 10...20)
        WriterBench.fill(&source, ticks: 25)
        try source.publish(watermark: Self.time)
        let running = try bench.start()
        try bench.database.expectSoon(
            "SELECT last_ordinal, written, skipped FROM sink_source_ordinals "
                + "WHERE input = 'ticks' AND partition = 0", "51|51|0")
        try bench.database.expect(
            "SELECT ordinal, reason, lost_first_ordinal, lost_last_ordinal FROM gaps",
            "26|tape_lost|10|20")
        #expect(try bench.missing() == "0")
        try bench.database.expect("SELECT gaps FROM sink_audit", "0")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: bench.database)
        #expect(try running.stop() == .success)
    }

    @Test(
        "the writer can put in what the tape says, and nothing that takes ordinals out of the books"
    )
    func rights() throws {
        let bench = try WriterBench("writer_gapright")
        let writer = try bench.database.connectWriter()
        let tape = """
            INSERT INTO gaps (sink, input, partition, source, reason, kind, state, epoch, ordinal)
            VALUES ('store', 'ticks', 0, 's', 'dropped', 'any', 'open', 1, 7)
            """
        #expect(try writer.execute(tape).affectedRows == 1)
        for (statement, state) in [
            (
                """
                INSERT INTO gaps (sink, input, partition, source, reason, first_ordinal,
                    last_ordinal) VALUES ('store', 'ticks', 0, 's', 'hole', 1, 5)
                """, SQLState.insufficientPrivilege
            ),
            (
                """
                INSERT INTO gaps (sink, input, partition, source, reason)
                VALUES ('store', 'ticks', 0, 's', 'hole')
                """, .checkViolation
            ),
            ("DELETE FROM gaps", SQLState.insufficientPrivilege),
        ] {
            writer.refusal(of: statement, state)
        }
    }
}
