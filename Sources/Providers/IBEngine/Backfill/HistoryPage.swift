internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The ticks of one answer, which may come in several messages.
struct HistoryPage: Sendable {
    private(set) var trades: [TradeTick] = []
    private(set) var quotes: [QuoteTick] = []
    /// All of the answer, those that nobody wants included.
    private(set) var count = 0
    /// The latest second of all; nil: the answer is empty.
    private(set) var lastSecond: Int64?

    /// What a page says about the seconds from `cursor` on.
    struct Extent: Hashable {
        /// All seconds before are complete, in this page or the ones before.
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

    private mutating func note(_ time: Timestamp, in seconds: Range<Int64>) -> Bool {
        count += 1
        guard time.isDefined else { return false }
        let second = WholeSecond.floor(time)
        lastSecond = max(lastSecond ?? second, second)
        return seconds.contains(second)
    }

    /// It shows that the server's history has come as far as the gap's end: by what comes after
    /// that, as a request for ticks has no end, by what had arrived there by itself, or because
    /// nothing was traded any more.
    func proves(
        _ job: BackfillJob, _ limits: BackfillLimits, now: Timestamp
    ) -> Bool {
        guard count < Int(limits.pageTicks) else { return true }
        let last = lastSecond ?? Int64.min
        if last >= job.seconds.upperBound { return true }
        if job.latestArrived >= WholeSecond.floor(job.gap.to), last >= job.latestArrived {
            return true
        }
        return job.isClosed(from: last &+ 1, now, limits)
    }

    /// Which seconds of `wanted` are complete with this page. The last second of a full page may
    /// go on in the next one, so it is left to that.
    func extent(of wanted: Range<Int64>, asked: Int) -> Extent {
        guard let last = lastSecond, last >= wanted.lowerBound else {
            let isStuck = count >= asked
            return Extent(
                upTo: isStuck ? wanted.lowerBound + 1 : wanted.upperBound, isCut: isStuck)
        }
        if last >= wanted.upperBound { return Extent(upTo: wanted.upperBound, isCut: false) }
        guard count >= asked else { return Extent(upTo: wanted.upperBound, isCut: false) }
        if last > wanted.lowerBound { return Extent(upTo: last, isCut: false) }
        // One second alone. What exceeds the number asked for is said to complete it.
        return Extent(upTo: last + 1, isCut: count == asked)
    }
}
