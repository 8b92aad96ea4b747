internal import MarketModel
internal import Primitives

/// The providers of one instrument: the one that delivers it now, and those that delivered it at
/// any time that is still remembered.
///
/// A provider's *rank* is its index by priority, 0 is the best. The *active* provider is the one
/// that should deliver now. A *span* is the time of which one provider's records are kept: event
/// times decide, so a provider that is no longer active may still deliver late records of its span.
struct InstrumentRoute: Sendable {
    /// The last state that one provider reported.
    struct Feed: Sendable {
        var state = FeedState.State.starting
        /// When the state began, in monotonic nanoseconds.
        var since: MonotonicTime
        /// The instrument is to be requested, but the provider was not given it yet, because of the
        /// limit per second.
        var isQueued = false
        /// A raw `FeedMode`.
        var mode = FeedMode.unknown.rawValue
    }

    /// A provider delivers from this time on, until the next span begins.
    struct Span: Sendable {
        let from: Timestamp
        let rank: Int
    }

    /// A switch that is not recorded yet.
    struct Pending: Sendable {
        /// The rank of the provider that delivered before.
        let previous: Int
        /// The time of the switch; undefined: with the new provider's first record.
        let at: Timestamp
        /// The previous provider no longer delivered when it was left.
        let wasLost: Bool
    }

    /// A gap that is on the tape without an end.
    struct Outage: Sendable {
        /// The provider that reported it.
        let rank: Int
        /// A raw `DataKind`.
        let kind: UInt8
        let from: Timestamp
        /// A raw `GapReason`.
        let reason: UInt8

        func isSame(as other: Outage) -> Bool {
            (rank, kind, from) == (other.rank, other.kind, other.from)
        }

        func gap(to: Timestamp, _ header: TickHeader, detail: String = "") -> GapRecord {
            var gap = GapRecord(
                header: header, from: from, to: to, kind: .any, reason: .unknown, state: .open,
                detail: detail)
            (gap.kind, gap.reason) = (kind, reason)
            return gap
        }
    }

    /// The most spans that are remembered. Times before the oldest span belong to no provider.
    static let spansMax = 16
    /// The most open outages: a kind of data has one. More are a provider's mistake and are not
    /// closed.
    static let outagesMax = 32
    /// The most doublings of the time before a return.
    static let doublingsMax = 7

    /// The providers by priority. Their indexes here are ranks.
    let providers: [Int]
    /// By rank.
    var feeds: [Feed]
    /// The rank of the provider that should deliver now.
    var active = 0
    /// Providers of lower ranks than this have the instrument. They include all that are better
    /// than the active one, so that their recovery is noticed.
    var requested = 1
    /// In the order of time; the last one lasts.
    var spans = [Span(from: Timestamp(nanoseconds: Int64.min), rank: 0)]
    /// `nil`: all switches are recorded.
    var pending: Pending?
    /// When the active provider became active, in monotonic nanoseconds.
    var activeSince: MonotonicTime
    /// When the instrument is taken from the providers after the active one, in monotonic
    /// nanoseconds; `nil`: none of them has it.
    var releaseAt: MonotonicTime?
    /// The number of returns that did not last.
    var returns = 0
    /// The open outages of all its providers.
    var outages: [Outage] = []
    /// The latest event time of a kept record, without stamps that are far ahead.
    var reached = Timestamp(nanoseconds: Int64.min)
    /// The kinds of live data from the delivering provider: one bit each, by the raw kind.
    var deliveredKinds: UInt16 = 0

    init(_ providers: [Int], now: MonotonicTime) {
        self.providers = providers
        feeds = providers.map { _ in Feed(since: now) }
        activeSince = now
    }

    /// Returns `nil` when the provider is none of this instrument's.
    func rank(of provider: Int) -> Int? { providers.firstIndex(of: provider) }

    /// Returns the index of the span that contains a time; `nil`: it is before all known spans.
    func span(at time: Timestamp) -> Int? { spans.lastIndex { $0.from <= time } }

    /// Returns the part of an interval in which a provider delivers; `to` may be undefined. Returns
    /// `nil` when there is none. A provider that is down does not get the instrument back
    /// meanwhile, so there are never two parts.
    func part(
        of from: Timestamp, _ to: Timestamp, by rank: Int
    ) -> (from: Timestamp, to: Timestamp)? {
        for (index, span) in spans.enumerated() where span.rank == rank {
            let end = index + 1 < spans.count ? spans[index + 1].from : .undefined
            // Undefined is later than all times.
            let (first, last) = (max(from, span.from), min(to, end))
            if first < last { return (first, last) }
        }
        return nil
    }

    /// Returns whether records of this time are kept from this provider.
    func isFeeder(_ rank: Int, at time: Timestamp) -> Bool {
        span(at: time).map { spans[$0].rank == rank } ?? false
    }

    /// Notes an outage that is on the tape without an end.
    mutating func note(_ outage: Outage) {
        let isKnown = outages.contains { $0.isSame(as: outage) }
        guard !isKnown, outages.count < Self.outagesMax else { return }
        outages.append(outage)
    }

    /// Returns outages for a provider that stopped without reporting them: one for each kind that
    /// it delivered, from the last tick on.
    func unreportedOutages(of rank: Int) -> [Outage] {
        (0..<UInt8(UInt16.bitWidth)).filter { kind in
            deliveredKinds & 1 << UInt16(kind) != 0
                && !outages.contains { outage in
                    outage.rank == rank
                        && (outage.kind == kind || outage.kind == DataKind.any.rawValue)
                }
        }.map { kind in
            Outage(
                rank: rank, kind: kind, from: reached.advanced(byNanoseconds: 1),
                reason: GapReason.disconnected.rawValue)
        }
    }

    /// The outages without an end on the tape, reported or not.
    var unfinished: [Outage] {
        guard let pending, pending.wasLost else { return outages }
        return unreportedOutages(of: pending.previous) + outages
    }

    /// Continues an earlier route of the same instrument. The time before now stays with the first
    /// provider if it had it, and does not become its own if another provider had it.
    mutating func carryOver(_ former: InstrumentRoute, _ now: Timestamp) {
        guard let last = former.spans.last else { return }
        guard former.providers[last.rank] == providers[0] else {
            spans = [Span(from: now, rank: 0)]
            return
        }
        spans = [Span(from: min(last.from, now), rank: 0)]
        (reached, deliveredKinds) = (former.reached, former.deliveredKinds)
        outages = former.outages.filter { $0.rank == last.rank }.map { outage in
            Outage(rank: 0, kind: outage.kind, from: outage.from, reason: outage.reason)
        }
    }

    /// An instrument with one provider needs no decisions.
    var hasChoice: Bool { providers.count > 1 }

    /// Begins a span, unless the provider has the last one.
    mutating func beginSpan(_ rank: Int, from time: Timestamp) {
        guard spans.last?.rank != rank else { return }
        spans.append(Span(from: max(time, spans.last?.from ?? time), rank: rank))
        if spans.count > Self.spansMax { spans.removeFirst() }
    }

    // MARK: decisions

    enum Decision: Hashable {
        case stay
        /// The next provider becomes active, because the active one is lost.
        case failOver
        /// The provider of this rank, which is better, becomes active.
        case goBack(Int)
    }

    /// Decides by the states of the feeds. It changes nothing.
    func decision(_ settings: FeedRouter.Settings, now: MonotonicTime) -> Decision {
        // A return is in progress: the previous provider's last late records are awaited.
        if releaseAt != nil, feeds[active].state == .live { return .stay }
        let better = feeds[..<active].firstIndex { $0.state == .live }
        if feeds[active].state == .live {
            let wait = settings.returnNanoseconds << Int64(min(returns, Self.doublingsMax))
            if let better, now - feeds[better].since >= wait { return .goBack(better) }
            return .stay
        }
        if let better, now - feeds[better].since >= settings.downNanoseconds {
            return .goBack(better)
        }
        return isLost(settings, now) && active + 1 < providers.count ? .failOver : .stay
    }

    /// Returns whether the active provider has not delivered for too long.
    private func isLost(_ settings: FeedRouter.Settings, _ now: MonotonicTime) -> Bool {
        let feed = feeds[active]
        guard !feed.isQueued else { return false }
        switch feed.state {
        case .live: return false
        case .refused: return true
        case .down: return now - feed.since >= settings.downNanoseconds
        case .starting: return now - feed.since >= settings.startNanoseconds
        }
    }
}
