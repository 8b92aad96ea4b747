import MarketModel
import Primitives
import Testing

/// The programs of `Samples/tapeline-sample` on a real nats-server.
@Suite("The sample package")
struct SampleTests {
    private static let prices = ["10.5", "10.4", "10.6", "10.6", "10.7", "9.9", "10.1", "10.2"]

    @Test("a user's provider polls a file onto the tape, and a user's operator makes bars of it")
    func sample() throws {
        let bench = try SampleBench(symbols: ["AAPL", "MSFT"])
        var written: [SampleBench.FileTrade] = []
        for (step, price) in Self.prices.enumerated() {
            for (index, symbol) in bench.symbols.enumerated() {
                written.append(
                    SampleBench.FileTrade(
                        symbol: symbol, id: UInt64(step + 1), price: try Price(price),
                        size: Quantity(raw: Int64(100 * (step + 1) + index) * 100_000_000)))
            }
            try bench.write(written.suffix(bench.symbols.count))
            try #require(try bench.hasTrades(written.count))
        }
        let trades = try bench.trades()
        for symbol in bench.symbols {
            #expect(
                trades.filter { $0.inFile.symbol == symbol }.map(\.inFile)
                    == written.filter { $0.symbol == symbol })
        }
        try expectBars(of: trades, bench)
        #expect(bench.stop() == [0, 0], "\(bench.logs)")
    }

    /// Of those trades of a second that are above the trade before them.
    private func expectBars(of trades: [SampleBench.Trade], _ bench: SampleBench) throws {
        var last: [String: Price] = [:]
        var expected: [SampleBench.Window: SampleBench.Values] = [:]
        for trade in trades where !trade.isSnapshot {
            let before = last.updateValue(trade.inFile.price, forKey: trade.inFile.symbol)
            guard let before, trade.inFile.price > before else { continue }
            let second = trade.time.nanoseconds / 1_000_000_000
            expected[
                SampleBench.Window(symbol: trade.inFile.symbol, second: second),
                default: SampleBench.Values()
            ].add(trade.inFile)
        }
        #expect(expected.values.reduce(0) { $0 + $1.trades } == 2 * 4)
        var found: [SampleBench.Window: SampleBench.Values] = [:]
        let isRight = try bench.hasBars {
            found = $0
            return found == expected
        }
        #expect(isRight, "\(found) instead of \(expected)\n\(bench.logs)")
    }
}
