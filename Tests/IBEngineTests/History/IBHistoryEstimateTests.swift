import MarketModel
import Primitives
import Testing

@testable import IBEngine
@testable import IBProtocol

@Suite("What a load of the broker's past takes")
struct IBHistoryEstimateTests {
    private static let day: Int64 = 86_400
    private static let monday: Int64 = 1_780_272_000

    private func estimate(
        _ seconds: Int64, _ bars: IBBarLength = .minute, requests: Int = 30
    ) -> IBHistoryEstimate {
        func time(_ second: Int64) -> Timestamp { Timestamp(nanoseconds: second * 1_000_000_000) }
        return IBHistoryEstimate(
            range: time(Self.monday)..<time(Self.monday + seconds), bars: bars,
            requestsPerWindow: requests)
    }

    private func bar(_ time: ProviderTime, trades: Int64) -> HistoricalBar {
        let price = Price(raw: 1)
        return HistoricalBar(
            time: time, open: price, high: price, low: price, close: price, vwap: price,
            volume: 1, trades: trades)
    }

    @Test("trades are those that the bars of the range count")
    func trades() {
        let first = Self.monday / Self.day
        let days = (-1...5).map { bar(.day(first + $0), trades: 1_000) }
        #expect(estimate(3 * Self.day).trades(days, nil) == 3_000)
        // Bars of midpoints count none.
        let none = [bar(.day(first), trades: ProviderBar.undefinedCount)]
        #expect(estimate(3 * Self.day).trades(none, nil) == 0)
        // Nothing that a server says overflows.
        let many = (0..<3).map { bar(.day(first + $0), trades: Int64.max - 1) }
        #expect(estimate(3 * Self.day).trades(many, nil) >= UInt64(Int64.max) - 1)
    }

    @Test("bars are as many as the hours of the days with trading have")
    func bars() {
        let first = Self.monday / Self.day
        let days = (0..<5).map { bar(.day(first + $0), trades: 9) }
        var details = ContractDetails()
        details.tradingHours = "20260601:0930-20260601:1600;20260602:0930-20260602:1600"
        let zone = ZoneRules(first: 0, changes: [])
        #expect(estimate(7 * Self.day).bars(days, details, zone) == 5 * 390)
        #expect(estimate(7 * Self.day, .day).bars(days, details, zone) == 5)
        // Without hours a day is traded as a whole.
        #expect(estimate(7 * Self.day, .hour).bars(days, ContractDetails(), nil) == 5 * 24)
        let minutes = (0..<120).map { (index: Int64) in
            let time = Timestamp(nanoseconds: (Self.monday + index * 60) * 1_000_000_000)
            return bar(.instant(time), trades: 1)
        }
        #expect(estimate(7_200).bars(minutes, details, zone) == 120)
        #expect(estimate(7_200, .hour).bars(minutes, details, zone) == 2)
        #expect(estimate(7_200, .fiveSeconds).bars(minutes, details, zone) == 120 * 12)
    }

    @Test("a million trades take hours, and a year of days a second")
    func time() {
        let trades = estimate(5 * Self.day)
        let requests = trades.requests(ofTrades: 1_000_000)
        #expect(requests.counted == 1_002)
        let hours = Double(trades.duration(of: requests).components.seconds) / 3_600
        #expect(hours > 5.3 && hours < 5.6)
        let days = estimate(365 * Self.day, .day)
        #expect(days.requestsOfBars.counted == 0 && days.requestsOfBars.all <= 4)
        #expect(days.duration(of: days.requestsOfBars) < .seconds(10))
        let seconds = estimate(Self.day, .second)
        #expect(seconds.requestsOfBars.counted == 49)
        // Nothing overflows.
        var most = IBHistoryEstimate.Requests()
        most.add(trades.requests(ofTrades: UInt64.max))
        #expect(trades.duration(of: most) > .seconds(1_000_000))
    }
}
