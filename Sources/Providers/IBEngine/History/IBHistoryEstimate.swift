internal import EngineKit
package import IBProtocol
package import MarketModel
package import Primitives

/// What a load takes, as far as the broker's bars tell it: how many trades a bar has, and when
/// there was trading at all. Pure.
package struct IBHistoryEstimate: Sendable {
    private let range: Range<Timestamp>
    private let length: IBBarLength
    /// The requests that are made in the time of the broker's window.
    private let perWindow: UInt64

    package init(range: Range<Timestamp>, bars: IBBarLength, requestsPerWindow: Int) {
        self.range = range
        length = bars
        perWindow = UInt64(max(1, requestsPerWindow))
    }

    private var seconds: Range<Int64> {
        WholeSecond.floor(range.lowerBound)..<WholeSecond.ceiling(range.upperBound)
    }

    // MARK: questions

    package func contract(of instrument: Instrument) -> IBHistoryQuestion {
        .contracts(Contract(instrument))
    }

    /// The one contract of an answer; `nil`: there is none.
    package func details(in reply: HistoryReply) -> ContractDetails? {
        guard case .contracts(let found) = reply, found.count == 1 else { return nil }
        return found.first
    }

    package func calendar(
        of instrument: Instrument, _ details: ContractDetails
    ) -> IBHistoryQuestion {
        var contract = Contract(instrument)
        contract.id = details.contract.id
        return IBHistoryService.calendar(contract, seconds)
    }

    // MARK: counts

    /// The seconds of a bar of the calendar.
    private var width: Int64 { IBHistoryService.calendarLength(seconds).seconds }

    /// When the bars begin that reach into the range, with their trades.
    private func traded(
        _ bars: [HistoricalBar], _ zone: ZoneRules?
    ) -> [(start: Int64, trades: UInt64)] {
        bars.compactMap { bar in
            guard let time = IBHistoryService.start(of: bar, zone) else { return nil }
            let start = WholeSecond.floor(time)
            guard start + width > seconds.lowerBound, start < seconds.upperBound else { return nil }
            let isCounted = bar.trades != ProviderBar.undefinedCount
            return (start, isCounted ? UInt64(clamping: bar.trades) : 0)
        }
    }

    /// The trades of the range, by what the bars count.
    package func trades(_ bars: [HistoricalBar], _ zone: ZoneRules?) -> UInt64 {
        traded(bars, zone).reduce(0) { sum, bar in
            sum.addingReportingOverflow(bar.trades).overflow ? sum : sum + bar.trades
        }
    }

    /// The bars of the range, as if the contract had traded each day as long as its hours say now.
    package func bars(
        _ bars: [HistoricalBar], _ details: ContractDetails, _ zone: ZoneRules?
    ) -> UInt64 {
        let traded = traded(bars, zone)
        let step = length.seconds
        if width < 86_400 {
            guard step > width else {
                return UInt64(clamping: Int64(traded.count) * max(1, width / step))
            }
            return UInt64(Set(traded.map { $0.start / step }).count)
        }
        let perDay = min(86_400, Self.secondsOpen(details, zone))
        let most = (seconds.upperBound - seconds.lowerBound) / step
        let each = max(1, perDay / step)
        let (count, isPast) = Int64(traded.count).multipliedReportingOverflow(by: each)
        return UInt64(clamping: isPast ? most : min(most, count))
    }

    /// How long the contract trades on a day that it trades on.
    private static func secondsOpen(_ details: ContractDetails, _ zone: ZoneRules?) -> Int64 {
        let day: Int64 = 86_400
        guard let zone else { return day }
        let sessions = SessionHours(details.tradingHours, zone).sessions
        let days = Set(sessions.map { WholeSecond.floor($0.lowerBound) / day }).count
        guard days > 0 else { return day }
        return sessions.reduce(0) {
            $0 + $1.upperBound.nanoseconds(since: $1.lowerBound) / WholeSecond.nanoseconds
        } / Int64(days)
    }

    // MARK: requests

    /// Requests, and how many of them the broker counts.
    package struct Requests: Hashable, Sendable {
        package var counted: UInt64 = 0
        package var others: UInt64 = 0

        package init() {}

        package var all: UInt64 { counted &+ others }

        package mutating func add(_ more: Requests) {
            counted = min(counted &+ more.counted, 1 << 40)
            others = min(others &+ more.others, 1 << 40)
        }
    }

    /// `count`: `nil` where nothing tells it.
    package func requests(ofTrades count: UInt64?) -> Requests {
        var requests = Requests()
        // A page ends before its last second, and the next one has this second again.
        requests.counted = (count ?? 0) / UInt64(IBHistoryQuestion.pageTicks) + 2
        // The contract, and when it was traded.
        requests.others = 2
        return requests
    }

    package var requestsOfBars: Requests {
        let step = max(1, length.secondsPerRequest - length.seconds)
        let windows = UInt64(clamping: (seconds.upperBound - seconds.lowerBound) / step + 1)
        var requests = Requests()
        requests.others = 1
        if length.isCounted { requests.counted = windows } else { requests.others += windows }
        return requests
    }

    /// The least time of requests: those that are counted come by so many in the broker's window,
    /// and the others about one in a second.
    package func duration(of requests: Requests) -> Duration {
        let limits = PacingLimits()
        let window = limits.history.window.components.seconds
        let others = Int64(clamping: requests.others)
        // The first ones leave at once.
        let paced = requests.counted > perWindow ? requests.counted - perWindow : 0
        let (waits, isPast) = Int64(clamping: paced).multipliedReportingOverflow(by: window)
        let first = Int64(clamping: min(requests.counted, perWindow))
        return .seconds((isPast ? Int64.max / 4 : waits) / Int64(perWindow) + first + others)
    }
}
