internal import IBProtocol
internal import MarketModel
internal import Primitives

/// One gap on its way to be filled in.
struct BackfillJob: Sendable {
    enum Means: Hashable, Sendable {
        case ticks(HistoryKind)
        case bars(HistoryKind, width: Int64)
    }

    let gap: OpenGap
    let contract: Contract
    var means: Means
    /// Why ticks were not to be had, when it goes on with bars.
    var reason = ""
    /// What is still to be asked for, in seconds since 1970.
    var seconds: Range<Int64>
    var arrived: ArrivalCounts
    /// Beginnings of the bars that arrived, in seconds since 1970.
    var arrivedBars: Set<Int64> = []
    /// Trades that do not count for the last price were wanted, too.
    var wantsUnreported = false
    /// Of these, in order: seconds in which something arrived that cannot be compared.
    var leftOut: [Int64] = []
    /// When the contract trades at all, as far as it is known.
    var hours: SessionHours?
    /// What arrived is compared, and what cannot be is told. Bars are known by their times.
    var isExact = false
    /// Bars that end later may have come: nobody knows what arrived right behind the gap.
    var barsUntil: Timestamp
    /// The beginning is older than what is asked for.
    var isTooOld = false
    /// Of the last page, until the record of the end is written.
    var lastAdded = AddedTicks()
    /// Up to here, records say what became of the gap.
    var toldUpTo: Timestamp
    var page = HistoryPage()
    var hasBegun = false
    var pages = 0
    /// In a row.
    var failures = 0
    var added = 0
    var bars = 0
    /// The latest second in which something arrived that history has to tell of, too.
    var latestArrived = Int64.min
    /// Nothing showed that history has all bars up to the end.
    var isUnproven = false
    /// How often it was asked again because history lagged.
    var lagTries = 0
    /// Monotonic: not asked for again before; of one that is asked, the answer is due.
    var due = Int64.min

    init(_ gap: OpenGap, _ contract: Contract, _ means: Means, _ seconds: Range<Int64>) {
        self.gap = gap
        self.contract = contract
        self.means = means
        self.seconds = seconds
        arrived = ArrivalCounts()
        toldUpTo = gap.from
        barsUntil = gap.to
    }

    func isWanted(_ likeness: TickLikeness, in seconds: Range<Int64>) -> Bool {
        seconds.contains(likeness.second) && !leftOut.contains(likeness.second)
    }

    /// From this second on nothing can have been traded in what is asked for; or nothing since, for
    /// so long that history is up to date.
    func isClosed(from second: Int64, _ now: Timestamp, _ limits: BackfillLimits) -> Bool {
        guard let hours else { return false }
        let start = WholeSecond.start(max(second, seconds.lowerBound))
        let end = WholeSecond.start(seconds.upperBound)
        if start >= end || hours.isClosed(start..<end) { return true }
        let isLongAgo = now.nanoseconds(since: end) >= limits.lagAge.clampedNanoseconds
        return isLongAgo && second > seconds.lowerBound && hours.isClosed(end..<now)
    }

    var isOfBars: Bool { if case .bars = means { true } else { false } }

    /// Bars stand in for ticks, and are not what is missing.
    var isStandIn: Bool { isOfBars && gap.kind != .providerBar }

    /// What the next request is about.
    var part: Range<Int64> {
        guard isOfBars else { return seconds }
        let length = min(seconds.upperBound - seconds.lowerBound, Self.barSecondsMax)
        return seconds.lowerBound..<seconds.lowerBound + length
    }

    /// What one request for bars of some seconds may reach over.
    static let barSecondsMax: Int64 = 1_800
    /// The server's smallest one.
    static let barSecondsMin: Int64 = 30

    /// A gap that comes soon behind may ask for it, too.
    func isNearEnd(_ second: Int64, _ limits: BackfillLimits) -> Bool {
        second >= WholeSecond.floor(gap.to) - limits.borderSeconds
    }

    /// Another gap, before or behind, may ask for it, too.
    func isShared(_ second: Int64, _ limits: BackfillLimits) -> Bool {
        second <= WholeSecond.ceiling(gap.from) + limits.borderSeconds
            || isNearEnd(second, limits)
    }

    /// Bars that stand in for ticks lie wholly in the gap. A bar that was to arrive during the gap
    /// ended in it; it may have come all the same, right behind it.
    func isMissing(barAt time: Timestamp, width: Int64) -> Bool {
        let close = time.advanced(byNanoseconds: width * WholeSecond.nanoseconds)
        guard close <= barsUntil else { return false }
        guard !isStandIn else { return time >= gap.from }
        return close > gap.from && !arrivedBars.contains(WholeSecond.floor(time))
    }

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

extension String {
    /// As many whole characters as fit.
    func cut(toUTF8 limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var text = ""
        var bytes = 0
        for character in self {
            bytes += character.utf8.count
            guard bytes <= limit else { break }
            text.append(character)
        }
        return text
    }
}
