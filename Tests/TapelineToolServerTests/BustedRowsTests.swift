import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Later changes of ticks, and nonsensical quotes, through a real worker and a real writer to the
/// tables.
@Suite("Busts and crossed quotes in tables", .serialized) struct BustedRowsTests {
    static let start: Int64 = 1_700_000_000_000_000_000
    static let second: Int64 = 1_000_000_000

    private static let graph = """
        version: 1
        name: both
        nodes:
          seconds: {operator: bars, input: trades, series: [1s]}
          middles:
            operator: bars
            input: quotes
            price: middle
            series: [{name: q1s, width: 1s}]
        """

    /// One symbol with four trades in a second, at 100, 101, 102 and so on.
    struct Scene {
        let bench: AcceptBench
        let worker: ServerProcess
        var writer: RunningService
        let graphPath: String
        private let folder: TemporaryFolder
        private(set) var source: TestSource

        /// `changes` are further settings of worker and writer.
        init(_ name: String, _ changes: [String: String] = [:]) throws {
            bench = try AcceptBench("row42_\(name)")
            folder = try TemporaryFolder("row42")
            graphPath = try folder.write(graph, to: "graph.yaml")
            writer = try bench.startWriter(changes)
            worker = try bench.startWorker(graphPath, changes)
            let symbol = try #require(Symbol("AAPL"))
            let names = bench.tape.names
            source = TestSource(
                bench.tape, names.partition(of: symbol), source: try #require(SourceName("test")))
            _ = source.register(
                SymbolDefinition(
                    symbol: symbol, provider: "test",
                    since: Timestamp(nanoseconds: start - 86_400 * second)))
        }

        private func header(
            _ place: Int64, _ action: TradeAction = .new, id: UInt64? = nil
        ) -> TickHeader {
            let time = Timestamp(nanoseconds: start + place * second / 4)
            return TickHeader(
                symbol: 0, action: action.rawValue, providerTime: time, receiveTime: time,
                providerID: id ?? UInt64(place) + 1)
        }

        mutating func trade(
            _ place: Int64, _ action: TradeAction = .new, price: Int64? = nil, id: UInt64? = nil
        ) {
            source.append(
                Trade(
                    header: header(place, action, id: id),
                    price: Price(raw: (price ?? 100 + place) * second),
                    size: Quantity(raw: 100_000_000)))
        }

        mutating func quote(_ place: Int64, bid: Price, ask: Price) {
            let size = Quantity(raw: 200_000_000)
            source.append(
                Quote(
                    header: header(place, id: 0), bidPrice: bid, bidSize: size, askPrice: ask,
                    askSize: size))
        }

        mutating func publish(reached seconds: Int64) throws {
            try source.publish(
                watermark: Timestamp(nanoseconds: start + seconds * second))
        }

        /// Returns a row of `bars`, as text.
        func bar(_ series: String, second number: Int64) throws -> String {
            try bench.query(
                """
                SELECT concat_ws(' ', trades, coalesce(trunc(open)::text, '-'),
                    coalesce(trunc(high)::text, '-'), coalesce(trunc(close)::text, '-'),
                    trunc(volume), reason, replaced, excluded_filter, excluded_undefined)
                FROM bars WHERE series = '\(series)'
                    AND open_time_ns = \(start + number * second)
                """)
        }

        func expect(
            _ series: String, second number: Int64, _ wanted: String,
            _ location: SourceLocation = #_sourceLocation
        ) throws {
            try bench.expect(wanted, location, log: worker.log) {
                try bar(series, second: number)
            }
        }
    }

    @Test("row 42: a bust takes its trade out of a stored bar, and no row of what came is changed")
    func busts() throws {
        var scene = try Scene("busts")
        for place in 0..<9 as Range<Int64> { scene.trade(place) }
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, "4 100 103 103 4 closed 0 0 0")
        try scene.expect("1s", second: 1, "4 104 107 107 4 closed 0 0 0")
        try scene.expect("1s", second: 2, "1 108 108 108 1 closed 0 0 0")
        let before = try trades(scene, "action = 0")

        // The highest and last trade of the first second, another price in the second one, and the
        // only trade of the third.
        scene.trade(3, .cancel)
        try scene.publish(reached: 61)
        scene.trade(5, .correction, price: 500)
        scene.trade(8, .cancel)
        try scene.publish(reached: 62)
        try scene.expect("1s", second: 0, "3 100 102 102 3 bust 1 2 0")
        try scene.expect("1s", second: 1, "4 104 500 107 4 bust 1 1 0")
        try scene.expect("1s", second: 2, "0 - - - 0 bust 1 2 0")
        #expect(try trades(scene, "action = 0") == before)
        // The changes are separate rows, with the id of their trade.
        #expect(try trades(scene, "action <> 0") == "10 2 4 103, 11 1 6 500, 12 2 9 108")
        try stopAndAudit(scene)
    }

    @Test("row 42: crossed, locked and one-sided quotes are stored and counted as they came")
    func crossed() throws {
        var scene = try Scene("crossed")
        scene.trade(0)
        func price(_ whole: Int64) -> Price { Price(raw: whole * Self.second) }
        scene.quote(0, bid: price(100), ask: price(102))
        scene.quote(1, bid: price(120), ask: price(110))
        scene.quote(2, bid: price(99), ask: price(99))
        scene.quote(3, bid: price(98), ask: .undefined)
        try scene.publish(reached: 60)
        // Midpoints of 101, 115 and 99; the last quote has none.
        try scene.expect("q1s", second: 0, "3 101 115 99 0 closed 0 0 1")
        let quotes = try scene.bench.query(
            """
            SELECT string_agg(
                concat_ws('/', trunc(bid_price), coalesce(trunc(ask_price)::text, '-'), flags),
                ' ' ORDER BY ordinal) FROM quotes
            """)
        #expect(quotes == "100/102/0 120/110/0 99/99/0 98/-/0")
        try stopAndAudit(scene)
    }

    private func trades(_ scene: Scene, _ condition: String) throws -> String {
        try scene.bench.query(
            """
            SELECT string_agg(concat_ws(' ', ordinal, action, provider_id, trunc(price)), ', '
                ORDER BY ordinal) FROM trades WHERE \(condition)
            """)
    }

    /// Stops worker and writer, and expects that the audit and the proof find nothing wrong.
    func stopAndAudit(_ scene: Scene) throws {
        #expect(scene.worker.stop() == 0, "\(scene.worker.log.suffix(800))")
        try scene.writer.stop()
        try scene.bench.expectCleanAudit()
        let proof = try scene.bench.tapeline(
            ["prove", "--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:14:00Z"],
            graph: scene.graphPath)
        #expect(proof.code == .success, "\(proof.output)")
    }
}
