internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The ticks of one answer, which may come in several messages.
struct HistoryPage: Sendable {
    private(set) var trades: [TradeTick] = []
    private(set) var quotes: [QuoteTick] = []
    /// The number of all ticks of the answer, including those that are not wanted.
    private(set) var count = 0
    /// The latest second in the answer; `nil`: the answer is empty.
    private(set) var lastSecond: Int64?

    /// The seconds that a page completes.
    struct Extent: Hashable {
        /// All seconds before this one are complete, in this page or in earlier ones.
        var upTo: Int64
        /// The second before `upTo` has more ticks than an answer holds.
        var isCut: Bool
    }

    mutating func add(_ ticks: [TradeTick], in seconds: Range<Int64>) {
        trades += ticks.filter { note($0.time, in: seconds) }
    }

    mutating func add(_ ticks: [QuoteTick], in seconds: Range<Int64>) {
        quotes += ticks.filter { note($0.time, in: seconds) }
    }

    /// Counts a tick, and returns whether it lies in the seconds.
    private mutating func note(_ time: Timestamp, in seconds: Range<Int64>) -> Bool {
        count += 1
        guard time.isDefined else { return false }
        let second = WholeSecond.floor(time)
        lastSecond = max(lastSecond ?? second, second)
        return seconds.contains(second)
    }

    /// Returns whether the answer shows that the server's history has reached the gap's end. It has
    /// a tick after the gap (a request for ticks has no end), it has what had arrived there live,
    /// or nothing was traded any more. A full page needs no proof, because another one follows.
    func proves(
        _ job: BackfillJob, _ limits: BackfillLimits, now: Timestamp
    ) -> Bool {
        guard count < Int(limits.pageTicks) else { return true }
        let last = lastSecond ?? Int64.min
        if last >= job.seconds.upperBound { return true }
        if job.arrived.latest >= WholeSecond.floor(job.gap.to), last >= job.arrived.latest {
            return true
        }
        return job.isClosed(from: last &+ 1, now, limits)
    }

    /// Returns which seconds of `wanted` are complete with this page. The last second of a full
    /// page may continue in the next page, so it is left to that page.
    func extent(of wanted: Range<Int64>, asked: Int) -> Extent {
        guard let last = lastSecond, last >= wanted.lowerBound else {
            // The page is full of earlier ticks, so the next request would bring the same ones.
            let isStuck = count >= asked
            return Extent(
                upTo: isStuck ? wanted.lowerBound + 1 : wanted.upperBound, isCut: isStuck)
        }
        if last >= wanted.upperBound { return Extent(upTo: wanted.upperBound, isCut: false) }
        guard count >= asked else { return Extent(upTo: wanted.upperBound, isCut: false) }
        if last > wanted.lowerBound { return Extent(upTo: last, isCut: false) }
        // The page has one second only. Ticks beyond the requested number are said to complete it.
        return Extent(upTo: last + 1, isCut: count == asked)
    }
}
