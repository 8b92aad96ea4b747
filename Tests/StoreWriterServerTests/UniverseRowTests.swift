import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

@Suite("What is derived over all partitions, in the database")
struct UniverseRowTests {
    private static let second: Int64 = 1_000_000_000

    private struct Derived {
        var bars: TestSource
        var values: TestSource
        private let symbol: UInt32
        private let series: UInt16
        private var time = WriterBench.start

        init(_ tape: TestTape) throws {
            bars = TestSource(tape, TapeNames.universeHome, source: .operator, kind: .bars)
            values = TestSource(tape, TapeNames.universeHome, source: .universe, kind: .bars)
            symbol = try bars.define("A", of: "test")
            series = try bars.define(series: "1s", nanoseconds: UniverseRowTests.second)
        }

        /// Publishes a bar, and two values of the same window.
        mutating func publish() throws {
            let (from, to) = (
                Timestamp(nanoseconds: time),
                Timestamp(nanoseconds: time + UniverseRowTests.second)
            )
            var bar = Bar(symbol: symbol, series: series, openTime: from, closeTime: to)
            bar.flags = [.final]
            bars.append(bar)
            for (name, number) in [("market.advance_decline", 3), ("market.new_highs_20", 1)] {
                let value = IndicatorValue(
                    header: TickHeader(
                        symbol: TickHeader.noSymbol, providerTime: to, receiveTime: to),
                    name: name, value: Int128(number) * 1_000_000_000, periodStart: from,
                    periodEnd: to)
                values.append { $0.append(value) == .appended }
            }
            try bars.publish(watermark: to)
            try values.publish(watermark: to)
            time += UniverseRowTests.second
        }
    }

    @Test("it stands beside the bars of partition 0, once, and the books balance")
    func stored() throws {
        let bench = try WriterBench("writer_universe")
        var derived = try Derived(bench.tape)
        for round in 1...2 {
            let running = try bench.start()
            for _ in 0..<5 { try derived.publish() }
            try bench.database.expectSoon("SELECT count(*) FROM indicators", "\(10 * round)")
            try bench.database.expectSoon("SELECT count(*) FROM bars", "\(5 * round)")
            #expect(try running.stop() == .success)
        }
        let database = bench.database
        let rows = """
            SELECT DISTINCT source, partition, name, trunc(value) FROM indicators ORDER BY name
            """
        let stored = try database.psql(rows).split(separator: "\n").map(String.init)
        let expected = [
            "universe|0|market.advance_decline|3", "universe|0|market.new_highs_20|1",
        ]
        #expect(stored == expected)
        #expect(try bench.missing() == "0")
        let found = try Audit.check("bars_stored", in: database)
        #expect(found.split(separator: "|")[2] == "t", "\(found)")
        let books = """
            SELECT source, last_ordinal FROM sink_source_ordinals
            WHERE input = 'bars' AND partition = 0 ORDER BY source
            """
        #expect(
            try database.psql(books).split(separator: "\n").map(String.init) == [
                "operator|10", "universe|20",
            ])
    }
}
