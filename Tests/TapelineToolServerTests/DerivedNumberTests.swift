import Foundation
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

/// Trades of two symbols and a polled rate become a number of them: through a real tape, the
/// shipped worker, which is killed, a real writer and a database.
@Suite("A number of several symbols, stored and proven") struct DerivedNumberTests {
    private static let second: Int64 = 1_000_000_000
    /// 2023-11-14 22:14:00 UTC.
    private static let start: Int64 = 1_700_000_040 * second
    private static let graph = """
        version: 1
        name: derived

        nodes:
          bars: {operator: bars, input: trades, series: [{name: 1m, width: 1m, lateness: 5m}]}
          real:
            operator: derive
            scope: all
            series: 1m
            inputs: {a: AAPL, b: MSFT, rate: {symbol: DGS10, value: value}}
            value: (a.close - b.close) / rate
            max_age: 5m
        """

    /// Two sources of all partitions: one trades, the other one tells rates.
    private struct Feeds {
        private let bench: AcceptBench
        private var trades: [TestSource]
        private var rates: [TestSource]

        init(_ bench: AcceptBench) throws {
            self.bench = bench
            (trades, rates) = (try Self.sources("alpaca", bench), try Self.sources("fred", bench))
        }

        private static func sources(_ name: String, _ bench: AcceptBench) throws -> [TestSource] {
            let source = try #require(SourceName(name))
            return (0..<bench.tape.names.partitions).map {
                TestSource(bench.tape, Partition($0), source: source)
            }
        }

        private static func header(
            _ name: String, of source: inout TestSource, at second: Int64
        ) throws -> TickHeader {
            let time = Timestamp(nanoseconds: start + second * DerivedNumberTests.second)
            let symbol = source.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(name)), provider: source.source.text,
                    since: Timestamp(nanoseconds: start)))
            return TickHeader(symbol: symbol, providerTime: time, receiveTime: time)
        }

        private func partition(of name: String) throws -> Int {
            bench.tape.names.partition(of: try #require(Symbol(name))).number
        }

        mutating func trade(_ name: String, at second: Int64, price: Int64) throws {
            let place = try partition(of: name)
            let header = try Self.header(name, of: &trades[place], at: second)
            trades[place].append(
                Trade(
                    header: header, price: Price(raw: price * DerivedNumberTests.second),
                    size: Quantity(raw: 100_000_000)))
        }

        mutating func rate(_ value: Int128, at second: Int64) throws {
            let place = try partition(of: "DGS10")
            let header = try Self.header("DGS10", of: &rates[place], at: second)
            let record = IndicatorValue(
                header: header, name: "value", value: value * 1_000_000_000,
                periodStart: Timestamp(nanoseconds: start - 86_400 * DerivedNumberTests.second),
                periodEnd: Timestamp(nanoseconds: start))
            rates[place].append { $0.append(record) == .appended }
        }

        /// Publishes everything, with this watermark on all partitions.
        mutating func publish(until second: Int64) throws {
            let watermark = Timestamp(nanoseconds: start + second * DerivedNumberTests.second)
            for place in rates.indices { try rates[place].publish(watermark: watermark) }
            for place in trades.indices { try trades[place].publish(watermark: watermark) }
        }
    }

    /// Waits until these numbers are stored: minute, revision, and the number in tenths.
    private func expect(
        _ numbers: String, _ bench: AcceptBench, _ worker: ServerProcess,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        try bench.expect(numbers, location, log: worker.log) {
            try bench.query(
                """
                SELECT coalesce(string_agg(concat_ws(' ',
                    (period_start_ns - \(Self.start)) / 60000000000, revision,
                    trunc(value * 10)), ', ' ORDER BY period_start_ns, revision), '')
                FROM indicators WHERE name = 'real.value' AND source = 'universe'
                """)
        }
    }

    @Test("what was received in time counts, a late trade gives revisions, and all of it is proven")
    func derived() throws {
        let bench = try AcceptBench("derived")
        let folder = try TemporaryFolder("derived")
        let graph = folder.file("graph.yaml")
        try Self.graph.write(toFile: graph, atomically: true, encoding: .utf8)
        let writer = try bench.startWriter()
        var worker = try bench.startWorker(graph)
        var feeds = try Feeds(bench)
        // From here on partitions wait for both sources.
        try feeds.publish(until: 0)
        try feeds.rate(4, at: 10)
        // It is received when the first minute has ended.
        try feeds.rate(5, at: 60)
        try feeds.trade("AAPL", at: 5, price: 110)
        try feeds.trade("MSFT", at: 6, price: 100)
        try feeds.trade("AAPL", at: 65, price: 112)
        try feeds.trade("MSFT", at: 130, price: 104)
        try feeds.publish(until: 190)
        try expect("0 0 25, 1 0 24, 2 0 16", bench, worker)

        worker.stop(SIGKILL)
        worker = try bench.startWorker(graph, number: 1)
        try feeds.trade("MSFT", at: 50, price: 102)
        try feeds.publish(until: 200)
        try expect("0 0 25, 0 1 20, 1 0 24, 1 1 20, 2 0 16", bench, worker)
        try feeds.publish(until: 7_200)
        try bench.expect("2") {
            try bench.query("SELECT count(*) FROM indicators WHERE name = 'real.rate'")
        }
        worker.signal(SIGTERM)
        #expect(worker.waitUntilExit() == 0)
        try writer.stop()

        let proof = try bench.tapeline(
            [
                "prove", "--from", "2023-11-14T22:14:00Z", "--to", "2023-11-14T22:19:00Z",
                "--json",
            ], graph: graph)
        #expect(proof.code == .success, "\(proof.output) \(proof.errors)")
        let counts = try ["equal", "differing", "missing", "extra", "not_checked"].map {
            try proof.json()["over_all"]?[$0]?.int
        }
        #expect(counts == [3, 0, 0, 0, 0], "\(proof.output)")
    }
}
