package import MarketModel
package import Primitives

/// A past in which nothing tells how many trades there are, but for the service's bars.
package protocol CountedHistory: HistoryService {
    /// The rows of a page, and the time between two requests in nanoseconds.
    func page(ofBars: Bool) -> (rows: Int, interval: Int64)
    /// Returns a question about an instrument in the range of a load.
    func question(
        _ number: UInt64, _ question: HistoryQuestion, of instrument: Instrument,
        in range: Range<Timestamp>
    ) -> Request
    /// Reads the answer to a question; `nil`: it is none.
    func counts(_ answer: Answer, to question: HistoryQuestion) -> HistoryCounts?
}

/// What is asked before a load.
package enum HistoryQuestion: Hashable, Sendable {
    /// The bars of minutes, or of days.
    case minutes
    case days
    /// The bars that are to be loaded.
    case bars
    /// Whether there is a trade.
    case firstTrade
}

/// What the first page of an answer has.
package struct HistoryCounts: Sendable {
    package struct Row: Sendable {
        package var from: Timestamp
        package var to: Timestamp
        /// The trades of it; `nil`: it does not say.
        package var trades: UInt64?

        package init(from: Timestamp, to: Timestamp, trades: UInt64?) {
            self.from = from
            self.to = to
            self.trades = trades
        }
    }

    package var rows: [Row]
    /// Whether there are more pages.
    package var hasMore: Bool

    package init(rows: [Row], hasMore: Bool) {
        self.rows = rows
        self.hasMore = hasMore
    }

    /// Beyond so much time the bars of days are asked for: those of minutes would take pages.
    package static let minutesMax: Int64 = 7 * 86_400_000_000_000

    /// Returns how many trades its bars say that a range has, roughly: of a bar that reaches over
    /// an end of the range, and of what later pages have, a share is counted. `nil`: they do not
    /// say.
    package func trades(in range: Range<Timestamp>) -> UInt64? {
        var sum = 0.0
        for row in rows {
            guard let trades = row.trades else { return nil }
            let span = Double(row.to.nanoseconds(since: row.from))
            let begin = max(row.from, range.lowerBound)
            let inside = Double(min(row.to, range.upperBound).nanoseconds(since: begin))
            if span > 0, inside > 0 { sum += Double(trades) * min(1, inside / span) }
        }
        return rows.isEmpty ? nil : Self.count(sum * more(in: range))
    }

    /// Returns how many of its bars lie in a range, and whether that is exact.
    package func bars(in range: Range<Timestamp>) -> (count: UInt64, isExact: Bool) {
        let own = rows.count { $0.from >= range.lowerBound && $0.to <= range.upperBound }
        return (Self.count(Double(own) * more(in: range)), !hasMore)
    }

    /// Whatever a service says of its bars, a count is one that a plan can add up.
    private static func count(_ estimate: Double) -> UInt64 {
        UInt64(min(estimate, Double(HistoryLimits.countMax)))
    }

    /// By how much a range is longer than what the first page has of it.
    private func more(in range: Range<Timestamp>) -> Double {
        guard hasMore, let last = rows.last else { return 1 }
        let all = Double(range.upperBound.nanoseconds(since: range.lowerBound))
        let seen = Double(last.to.nanoseconds(since: range.lowerBound))
        return seen > 0 ? max(1, all / seen) : 1
    }
}
