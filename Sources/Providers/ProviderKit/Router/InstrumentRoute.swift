internal import MarketModel
internal import Primitives

/// The providers of one instrument: the one that should deliver it now, the better ones, and those
/// that delivered it in times that are still remembered. `FeedRouter` has one for each wanted
/// instrument.
///
/// A provider's *rank* is its index by priority; rank 0 is the best. The *active* provider is the
/// one that should deliver now. A *span* is a time of which only one provider's records are kept.
/// Event times decide, so a provider that is no longer active may still deliver late records of its
/// span. A *return* is the switch back to a better provider.
struct InstrumentRoute: Sendable {
    /// The state of the instrument's feed from one provider, as that reported it last.
    struct Feed: Sendable {
        var state = FeedState.State.starting
        /// When the state began, as the router noticed.
        var since: MonotonicTime
        /// Whether the instrument waits in the provider's `BeginQueue`: the provider was not
        /// ordered to begin it yet, because of the limit per second.
        var isQueued = false
        /// A raw `FeedMode`, of the provider's last beginning of a subscription.
        var mode = FeedMode.unknown.rawValue
    }

    /// A provider delivers from this time on, until the next span begins.
    struct Span: Sendable {
        let from: Timestamp
        let rank: Int
    }

    /// A switch for which there is no record yet.
    struct Pending: Sendable {
        /// The rank of the provider that delivered before.
        let previous: Int
        /// The event time of the switch; undefined: that of the new provider's first live record.
        let at: Timestamp
        /// Whether the previous provider no longer delivered when another one became active.
        let wasLost: Bool
    }

    /// A gap that is recorded on the tape without an end.
    struct Outage: Sendable {
        /// The rank of the provider that reported it.
        let rank: Int
        /// A raw `DataKind`.
        let kind: UInt8
        /// When it begins in the provider's reports.
        let reported: Timestamp
        /// When it begins on the tape: not before the provider's span.
        var from: Timestamp
        /// A raw `GapReason`.
        let reason: UInt8

        /// Returns whether both are the same gap; a later report may have another reason.
        func isSame(as other: Outage) -> Bool {
            (rank, kind, reported) == (other.rank, other.kind, other.reported)
        }

        /// Returns the record that ends the gap at `to`. It is still open: not filled.
        func gap(to: Timestamp, _ header: TickHeader, detail: String = "") -> GapRecord {
            var gap = GapRecord(
                header: header, from: from, to: to, kind: .any, reason: .unknown, state: .open,
                detail: detail)
            (gap.kind, gap.reason) = (kind, reason)
            return gap
        }
    }

    /// The most spans that are remembered. Records of times before the oldest span are left out.
    static let spansMax = 16
    /// The most outages without an end. There is one per kind of data and provider. More are a
    /// provider's mistake, and the router does not end them.
    static let outagesMax = 32
    /// The most doublings of `returnNanoseconds`: 30 s become about an hour.
    static let doublingsMax = 7

    /// The providers by priority, as indexes in the router's list. Their indexes here are ranks.
    let providers: [Int]
    /// The states of the feeds, by rank.
    var feeds: [Feed]
    /// The rank of the provider that should deliver now.
    var active = 0
    /// The instrument is requested from all providers of lower ranks than this. They include all
    /// that are better than the active one, so that their recovery is noticed.
    var requested = 1
    /// The spans in the order of time. The last one has no end yet.
    var spans = [Span(from: Timestamp(nanoseconds: Int64.min), rank: 0)]
    /// The switch for which there is no record yet; `nil` when all switches are recorded.
    var pending: Pending?
    /// When the active provider became active.
    var activeSince: MonotonicTime
    /// When the instrument is ended at the providers after the active one, whose late records are
    /// awaited until then; `nil` when none of them has it.
    var releaseAt: MonotonicTime?
    /// The number of returns since an active provider last stayed active for `settledNanoseconds`.
    var returns = 0
    /// The outages of all its providers that have no end on the tape.
    var outages: [Outage] = []
    /// The latest event time of a kept record. Times that are far ahead do not count.
    var reached = Timestamp(nanoseconds: Int64.min)
    /// The kinds of live data that the active provider has delivered: one bit each, by the raw
    /// kind.
    var deliveredKinds: UInt16 = 0

    /// `providers` are the instrument's, by priority, as indexes in the router's list.
    init(_ providers: [Int], now: MonotonicTime) {
        self.providers = providers
        feeds = providers.map { _ in Feed(since: now) }
        activeSince = now
    }

    /// Returns the rank of a provider; `nil` when it is none of this instrument's.
    func rank(of provider: Int) -> Int? { providers.firstIndex(of: provider) }

    /// Returns the index of the span that contains a time; `nil` when the time is before all known
    /// spans.
    func span(at time: Timestamp) -> Int? { spans.lastIndex { $0.from <= time } }

    /// Returns the part of the interval [from, to) that is in a provider's span; `nil` when none
    /// is. `to` is undefined for an interval without an end. The interval is a gap of the provider,
    /// which does not become active again while it is down. So there are never two parts.
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

    /// Returns whether records of this provider with this event time are kept.
    func isFeeder(_ rank: Int, at time: Timestamp) -> Bool {
        span(at: time).map { spans[$0].rank == rank } ?? false
    }

    /// Notes an outage that was recorded without an end.
    mutating func note(_ outage: Outage) {
        let isKnown = outages.contains { $0.isSame(as: outage) }
        guard !isKnown, outages.count < Self.outagesMax else { return }
        outages.append(outage)
    }

    /// Returns the outages of a provider that stopped without reporting them: one for each kind
    /// that it delivered and for which it reported none, from the instrument's last tick on.
    func unreportedOutages(of rank: Int) -> [Outage] {
        (0..<UInt8(UInt16.bitWidth)).filter { kind in
            deliveredKinds & 1 << UInt16(kind) != 0
                && !outages.contains { outage in
                    outage.rank == rank
                        && (outage.kind == kind || outage.kind == DataKind.any.rawValue)
                }
        }.map { kind in
            let from = reached.advanced(byNanoseconds: 1)
            return Outage(
                rank: rank, kind: kind, reported: from, from: from,
                reason: GapReason.disconnected.rawValue)
        }
    }

    /// The outages that have no end on the tape, and those that the previous provider did not
    /// report.
    var unfinished: [Outage] {
        guard let pending, pending.wasLost else { return outages }
        return unreportedOutages(of: pending.previous) + outages
    }

    /// Continues an earlier route of the same instrument, when the instrument begins again with
    /// other data or providers. If the new first provider had the last span, that span and the
    /// provider's outages continue. Otherwise its span begins now, so that it does not deliver the
    /// time of another provider.
    mutating func carryOver(_ former: InstrumentRoute, _ now: Timestamp) {
        guard let last = former.spans.last else { return }
        guard former.providers[last.rank] == providers[0] else {
            spans = [Span(from: now, rank: 0)]
            return
        }
        spans = [Span(from: min(last.from, now), rank: 0)]
        (reached, deliveredKinds) = (former.reached, former.deliveredKinds)
        outages = former.outages.filter { $0.rank == last.rank }.map { outage in
            Outage(
                rank: 0, kind: outage.kind, reported: outage.reported, from: outage.from,
                reason: outage.reason)
        }
    }

    /// Whether the instrument has several providers. With one there is nothing to decide.
    var hasChoice: Bool { providers.count > 1 }

    /// Begins a span of a provider, unless it has the last one.
    mutating func beginSpan(_ rank: Int, from time: Timestamp) {
        guard spans.last?.rank != rank else { return }
        spans.append(Span(from: max(time, spans.last?.from ?? time), rank: rank))
        if spans.count > Self.spansMax { spans.removeFirst() }
    }

    // MARK: decisions

    /// What the router does with the route.
    enum Decision: Hashable {
        case stay
        /// The next provider becomes active, because the active one is lost.
        case failOver
        /// The provider of this rank, which is better, becomes active.
        case goBack(Int)
    }

    /// Decides by the states of the feeds. It changes nothing.
    func decision(_ settings: FeedRouter.Settings, now: MonotonicTime) -> Decision {
        // A return is in progress: late records of the previous provider are awaited.
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
