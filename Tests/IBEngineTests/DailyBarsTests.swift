import MarketModel
import Primitives
import Testing

@testable import IBEngine
@testable import IBProtocol

@Suite("Bars of a day as records")
struct DailyBarsTests {
    @Test("a day that is over is stamped with its end, the present one with the present")
    func stamps() throws {
        let bars = DailyBars(number: 7, zone: nil, kind: .trades, isInLots: false)
        let bar = HistoricalBar(
            time: .day(20_458), open: Price(raw: 1), high: Price(raw: 4), low: Price(raw: 1),
            close: Price(raw: 2), vwap: Price(raw: 2), volume: 100, trades: 3)
        let noon = Timestamp(nanoseconds: (20_458 * 86_400 + 43_200) * 1_000_000_000)
        let midnight = noon.advanced(byNanoseconds: 43_200_000_000_000)
        let present = try #require(bars.record(bar, noon))
        #expect(present.header.providerTime == noon && present.closeTime == midnight)
        #expect(present.flags == [.regularHours, .inProgress])
        let past = try #require(bars.record(bar, midnight))
        #expect(past.header.providerTime == midnight && past.closeTime == midnight)
        #expect(past.flags == .regularHours)
    }
}
