import MarketModel
import Primitives
import Testing

@Suite struct BarTests {
    @Test("a new bar holds nothing, and says so by undefined prices")
    func new() {
        let (open, close) = (Timestamp(nanoseconds: 0), Timestamp(nanoseconds: 1_000_000_000))
        let bar = Bar(symbol: 1, series: 2, openTime: open, closeTime: close)
        #expect(bar.symbol == 1 && bar.series == 2)
        #expect(bar.openTime == open && bar.closeTime == close)
        let prices = [bar.open, bar.high, bar.low, bar.close, bar.vwap]
        #expect(prices.allSatisfy { !$0.isDefined })
        #expect(bar.trades == 0 && bar.volume == 0 && bar.notional == 0 && bar.number == 0)
        #expect(bar.excluded.total == 0 && bar.flags == [] && bar.generation == 0)
        #expect(BarReason(rawValue: bar.reason) == .closed)
    }

    @Test("the excluded ticks are summed without overflow")
    func excluded() {
        let most = Bar.Excluded(
            condition: .max, oddLot: .max, filter: .max, undefined: .max)
        #expect(most.total == 4 * UInt64(UInt32.max))
        #expect(Bar.Excluded(condition: 1, oddLot: 2, filter: 3, undefined: 4).total == 10)
    }

    /// The values are on the wire and in the tables. A changed number would change stored data.
    @Test("the raw values of flags and reasons stay as they are")
    func rawValues() {
        let flags: [BarFlags] = [.partial, .final, .mixedProviders, .withdrawn, .filled]
        #expect(flags.map(\.rawValue) == [1, 2, 4, 8, 16])
        let reasons: [BarReason] = [.closed, .late, .bust, .gap, .backfill, .repair]
        #expect(reasons.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
        #expect(BarReason(rawValue: 6) == nil)
    }
}
