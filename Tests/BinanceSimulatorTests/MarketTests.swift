import Primitives
import Testing

@testable import BinanceSimulator

@Suite("The market of the simulated exchange")
struct MarketTests {
    private let start = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private func market(rate: Int = 300, seed: UInt64 = 1) -> ExchangeMarket {
        let names = ["BTCUSDT", "XRPUSDT", "AAAEUR"]
        return ExchangeMarket(
            symbols: names.compactMap { ExchangeSymbol($0) }, seed: seed, rate: rate)
    }

    @Test("pieces of time have the trades of the whole: dense ids, times in order, the rate")
    func pieces() {
        let market = market()
        let end = start.advanced(byNanoseconds: 3_000_000_000)
        let whole = market.trades(after: start, until: end)
        var pieces: [ExchangeTrade] = []
        var time = start
        var step: Int64 = 1
        while time < end {
            let next = min(end, time.advanced(byNanoseconds: step))
            pieces += market.trades(after: time, until: next)
            (time, step) = (next, step * 3 % 50_000_017 + 1)
        }
        #expect(pieces == whole)
        #expect((895...905).contains(whole.count))
        #expect(zip(whole, whole.dropFirst()).allSatisfy { $0.time <= $1.time })
        for symbol in market.symbols.indices {
            let own = whole.filter { $0.symbol == symbol }
            #expect(zip(own, own.dropFirst()).allSatisfy { $0.id + 1 == $1.id })
            #expect(own.first?.id == market.lastID(of: symbol, at: start) + 1)
            #expect(own.allSatisfy { market.trade(symbol, $0.id) == $0 })
            #expect(own.allSatisfy { $0.price > 0 && $0.quantity > 0 })
        }
    }

    @Test("prices move, by little from trade to trade, and seeds differ")
    func prices() {
        let market = market()
        let last = market.lastID(of: 0, at: start)
        let prices = (last - 20_000...last).map { market.trade(0, $0).price }
        let steps = zip(prices, prices.dropFirst()).map { abs($0 - $1) }
        #expect(Set(prices).count > 1_000)
        #expect((steps.max() ?? 0) < prices[0] / 500)
        #expect(self.market(seed: 2).trade(0, last) != market.trade(0, last))
    }

    @Test("a market without a rate has no trades")
    func noRate() {
        let market = market(rate: 0)
        #expect(market.lastID(of: 0, at: start) == 0)
        let end = start.advanced(byNanoseconds: 1_000_000_000_000)
        #expect(market.trades(after: start, until: end).isEmpty)
    }

    @Test("before its beginning there are no trades")
    func beginning() {
        #expect(market().lastID(of: 0, at: Timestamp(nanoseconds: 0)) == 0)
    }
}
