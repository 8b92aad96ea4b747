internal import IBProtocol
internal import MarketModel
internal import Primitives

/// One gap that is being filled.
struct BackfillJob: Sendable {
    /// What is requested from history.
    enum Means: Hashable, Sendable {
        case ticks(HistoryKind)
        /// Bars of `width` seconds: those that are missing, or those that stand in for ticks.
        case bars(HistoryKind, width: Int64)
    }

    /// What came live of the requested seconds.
    struct Arrived: Sendable {
        /// The ticks that are on the tape already, and are not added again.
        var ticks = ArrivalCounts()
        /// The beginnings of the bars that arrived, in seconds since 1970.
        var bars: Set<Int64> = []
        /// The latest second in which something arrived that history has to report as well.
        var latest = Int64.min
        /// The requested seconds, in order, in which something arrived that cannot be compared.
        var leftOut: [Int64] = []
    }

    /// How far the gap is filled, and how the requests for it went.
    struct Progress: Sendable {
        /// Records report the outcome of the gap up to this time.
        var reportedUpTo: Timestamp
        /// The record that the gap is being filled was written.
        var hasBegun = false
        /// The number of complete answers.
        var pages = 0
        /// The number of failures in a row.
        var failures = 0
        /// How often the request was repeated because history lagged.
        var lagTries = 0
        /// The numbers of ticks and of bars that were added.
        var ticksAdded = 0
        var barsAdded = 0
        /// The ticks that the last page added, until the record of the gap's end is written.
        var lastAdded = AddedTicks()
    }

    let gap: OpenGap
    let contract: Contract
    var means: Means
    /// Why ticks could not be fetched, when bars are fetched instead.
    var reason = ""
    /// The seconds since 1970 that are still to be requested.
    var seconds: Range<Int64>
    var arrived = Arrived()
    /// Trades that do not count for the last price are wanted as well.
    var wantsUnreported = false
    /// When the contract trades at all; `nil` when that is not known.
    var hours: SessionHours?
    /// Arrived ticks are compared, and parts that cannot be compared are reported. False for bars,
    /// which are recognized by their times.
    var isExact = false
    /// The latest end of a bar that is added. Later bars may have come, because it is unknown what
    /// arrived right after the gap.
    var barsUntil: Timestamp
    /// The gap's beginning is older than anything that is requested.
    var isTooOld = false
    /// The answer to the open request, as far as it has come.
    var page = HistoryPage()
    var progress: Progress
    /// Nothing has shown that history has all bars up to the end.
    var isUnproven = false
    /// Monotonic: a gap that waits is not requested earlier, and the answer to an open request is
    /// due.
    var due = MonotonicTime.distantPast

    init(_ gap: OpenGap, _ contract: Contract, _ means: Means, _ seconds: Range<Int64>) {
        self.gap = gap
        self.contract = contract
        self.means = means
        self.seconds = seconds
        progress = Progress(reportedUpTo: gap.from)
        barsUntil = gap.to
    }

    /// Returns whether a tick of history lies in these seconds, and in none that is left out.
    func isWanted(_ likeness: TickLikeness, in seconds: Range<Int64>) -> Bool {
        seconds.contains(likeness.second) && !arrived.leftOut.contains(likeness.second)
    }

    /// Returns whether nothing can have been traded from this second to the end of the requested
    /// range. It is also true when the answer has reached the range, and the market has been closed
    /// since its end for so long that history is up to date.
    func isClosed(from second: Int64, _ now: Timestamp, _ limits: BackfillLimits) -> Bool {
        guard let hours else { return false }
        let start = WholeSecond.start(max(second, seconds.lowerBound))
        let end = WholeSecond.start(seconds.upperBound)
        if start >= end || hours.isClosed(start..<end) { return true }
        let isLongAgo = now.nanoseconds(since: end) >= limits.lag.age.clampedNanoseconds
        return isLongAgo && second > seconds.lowerBound && hours.isClosed(end..<now)
    }

    var isOfBars: Bool { if case .bars = means { true } else { false } }

    /// The job requests bars because ticks cannot be fetched: bars are not the data that are
    /// missing.
    var isStandIn: Bool { isOfBars && gap.kind != .providerBar }

    /// The seconds that the next request covers.
    var part: Range<Int64> {
        guard isOfBars else { return seconds }
        let length = min(seconds.upperBound - seconds.lowerBound, Self.barSecondsMax)
        return seconds.lowerBound..<seconds.lowerBound + length
    }

    /// The most seconds that one request for bars of some seconds may cover.
    static let barSecondsMax: Int64 = 1_800
    /// The fewest seconds that the server accepts.
    static let barSecondsMin: Int64 = 30

    /// Returns whether a gap that comes soon after may request the second as well.
    func isNearEnd(_ second: Int64, _ limits: BackfillLimits) -> Bool {
        second >= WholeSecond.floor(gap.to) - limits.borderSeconds
    }

    /// Returns whether another gap, before or after this one, may request the second as well.
    func isShared(_ second: Int64, _ limits: BackfillLimits) -> Bool {
        second <= WholeSecond.ceiling(gap.from) + limits.borderSeconds
            || isNearEnd(second, limits)
    }

    /// Returns whether a bar is missing. A bar that stands in for ticks has to lie completely in
    /// the gap. Any other bar is missing if it ended in the gap, unless it arrived right after the
    /// gap.
    func isMissing(barAt time: Timestamp, width: Int64) -> Bool {
        let close = time.advanced(byNanoseconds: width * WholeSecond.nanoseconds)
        guard close <= barsUntil else { return false }
        guard !isStandIn else { return time >= gap.from }
        return close > gap.from && !arrived.bars.contains(WholeSecond.floor(time))
    }

    /// Returns the next request. `count`: the number of ticks that a page should have.
    func request(id: Int32, count: Int32) -> IBRequest {
        switch means {
        case .ticks(let kind):
            var request = HistoryTicksRequest()
            request.start = .at(WholeSecond.start(seconds.lowerBound))
            request.count = count
            request.kind = kind
            return .historyTicks(id: id, contract, request)
        case .bars(let kind, let width):
            let part = part
            let length = max(Self.barSecondsMin, part.upperBound - part.lowerBound)
            var request = HistoryRequest(
                duration: "\(length) S", barSize: width == 1 ? "1 secs" : "\(width) secs")
            request.end = .at(WholeSecond.start(part.upperBound))
            request.kind = kind
            return .history(id: id, contract, request)
        }
    }

    /// Returns a record that reports a part of the gap.
    func record(
        _ state: GapState, _ from: Timestamp, _ to: Timestamp, _ detail: String, at time: Timestamp
    ) -> TapeRecord {
        let header = TickHeader(
            symbol: gap.instrument, providerTime: .undefined, receiveTime: time)
        return .gap(
            GapRecord(
                header: header, from: from, to: to, kind: gap.kind, reason: gap.reason,
                state: state, detail: detail.cut(toUTF8: GapRecord.detailBytesMax)))
    }
}
