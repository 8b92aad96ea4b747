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

/// A broker's bars of 5 s on a real tape, the shipped worker with the shipped graph, which is
/// killed, and a real writer and database.
@Suite("A broker's bars through a killed worker") struct ProviderBarKillTests {
    private static let second: Int64 = 1_000_000_000
    /// 2023-11-14 22:14:00 UTC.
    private static let start: Int64 = 1_700_000_040 * second
    private static let minutes = 5
    private static let graph =
        "\(ServerPrograms.checkout)/services/operator-worker/graphs/broker-bars.yaml"

    /// A bar of the broker with plain numbers: prices in cents, sizes in shares.
    private struct Sent {
        let start: Int64
        let open, high, low, close, vwap: Int64
        let volume: Int64
        let count: Int64
        var isRepeated = false

        init(_ number: Int, using random: inout SeededRandom) {
            start = ProviderBarKillTests.start + Int64(number) * 5 * second
            let prices = (0..<4).map { _ in Int64.random(in: 9_000...11_000, using: &random) }
            (open, close) = (prices[0], prices[1])
            high = prices.max() ?? 0
            low = prices.min() ?? 0
            vwap = (open + close) / 2
            volume = Int64.random(in: 1...500, using: &random)
            count = Int64.random(in: 1...40, using: &random)
        }

        var record: ProviderBar {
            let end = Timestamp(nanoseconds: start + 5 * second)
            var bar = ProviderBar(
                header: TickHeader(
                    symbol: 0, providerTime: end,
                    receiveTime: end.advanced(byNanoseconds: isRepeated ? 900 : 300)),
                openTime: Timestamp(nanoseconds: start), closeTime: end, kind: .trades)
            (bar.open, bar.high) = (Price(raw: open * 10_000_000), Price(raw: high * 10_000_000))
            (bar.low, bar.close) = (Price(raw: low * 10_000_000), Price(raw: close * 10_000_000))
            bar.vwap = Price(raw: vwap * 10_000_000)
            bar.volume = Int128(volume) * 100_000_000
            bar.trades = count
            return bar
        }
    }

    /// The row that the bars of one minute must give, in the form of the query below.
    private func row(_ bars: ArraySlice<Sent>) -> String {
        let volume = bars.reduce(0) { $0 + $1.volume }
        // In cents times shares.
        let turnover = bars.reduce(0) { $0 + $1.vwap * $1.volume }
        let vwap = (turnover * 10_000_000 * 2 + volume) / (2 * volume)
        let prices = [
            bars.first?.open, bars.map(\.high).max(), bars.map(\.low).min(), bars.last?.close,
        ].map { String(($0 ?? 0) * 10_000_000) }
        let counts = [vwap, volume, bars.reduce(0) { $0 + $1.count }].map { String($0) }
        return (prices + counts).joined(separator: "|")
    }

    @Test("5 s bars, throttled and without duplicates, are the minutes of a computation by hand")
    func killed() throws {
        let bench = try AcceptBench("broker_bars")
        let writer = try bench.startWriter()
        var random = SeededRandom(seed: 11)
        let bars = (0..<Self.minutes * 12).map { Sent($0, using: &random) }
        try publish(bars, bench, using: &random)
        try expectBars(bars, bench)
        try writer.stop()
        try bench.expectProvedBars(Self.minutes, graph: Self.graph)
        // The audit in SQL compares bars of trades. It leaves these out, and finds nothing wrong.
        let audit = try bench.tapeline(["audit"], graph: Self.graph)
        #expect(audit.code == .success, "\(audit.output)")
    }

    /// Publishes the bars while workers are killed, and waits until all rows are stored.
    private func publish(
        _ bars: [Sent], _ bench: AcceptBench,
        using random: inout SeededRandom
    ) throws {
        let symbol = try #require(Symbol("AAPL"))
        var source = TestSource(
            bench.tape, bench.tape.names.partition(of: symbol),
            source: try #require(SourceName("ibkr")))
        _ = source.register(
            SymbolDefinition(
                symbol: symbol, provider: "ibkr", since: Timestamp(nanoseconds: Self.start)))
        var process = try bench.startWorker(Self.graph)
        for (number, bar) in bars.enumerated() {
            source.append { $0.append(bar.record) }
            if number % 3 == 0 {
                // The same bar again, with other values, seven times: the fifth and later ones are
                // held back by the throttle, and the others are duplicates.
                var again = Sent(number, using: &random)
                again.isRepeated = true
                for _ in 0..<7 { source.append { $0.append(again.record) } }
            }
            try source.publish(watermark: bar.record.closeTime)
            guard number == 27 || number == 45 else { continue }
            // The worker dies with a minute that is half done, after it has published others.
            try bench.expect("\(number / 12)", log: process.log) {
                try bench.query("SELECT count(*) FROM bars WHERE series = 'broker-1m'")
            }
            process.stop(SIGKILL)
            process = try bench.startWorker(Self.graph, number: number)
        }
        try source.publish(
            watermark: Timestamp(nanoseconds: Self.start + 7_200 * Self.second))
        let wanted = "\(Self.minutes) 1 \(bars.count + bars.count / 3 * 7)"
        try bench.expect(wanted, log: process.log) {
            try bench.query(
                """
                SELECT (SELECT count(*) FROM bars WHERE series = 'broker-1m') || ' '
                    || (SELECT count(*) FROM bars WHERE series = 'broker-1h') || ' '
                    || (SELECT count(*) FROM provider_bars)
                """)
        }
        process.signal(SIGTERM)
        #expect(process.waitUntilExit() == 0)
    }

    private func expectBars(_ bars: [Sent], _ bench: AcceptBench) throws {
        let stored = try bench.query(
            """
            SELECT concat_ws('|', trunc(open * 1e9), trunc(high * 1e9), trunc(low * 1e9),
                trunc(close * 1e9), trunc(vwap * 1e9), trunc(volume), trades)
            FROM bars WHERE series = 'broker-1m' ORDER BY ts
            """)
        let expected = (0..<Self.minutes).map { row(bars[$0 * 12..<$0 * 12 + 12]) }
        #expect(stored.split(separator: "\n").map(String.init) == expected)
        #expect(
            try bench.query("SELECT count(*) FROM bars WHERE partial AND series = 'broker-1m'")
                == "0")
        // Of eight bars with one start five pass the throttle, and four of these are duplicates.
        #expect(
            try bench.query(
                """
                SELECT count(*) FROM late_ticks WHERE series = 'once' AND reason = 'duplicate'
                    AND kind = 'provider_bar'
                """) == "\(bars.count / 3 * 4)")
    }
}
