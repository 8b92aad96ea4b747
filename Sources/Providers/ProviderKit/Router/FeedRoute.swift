internal import MarketModel
internal import Primitives

/// Who delivers one instrument: now, and at any time that is still remembered.
struct FeedRoute: Sendable {
    /// What one provider last said.
    struct Feed: Sendable {
        var state = FeedState.State.starting
        /// Monotonic.
        var since: Int64
        /// It is to be asked for, and the provider was not told yet: so many are told it a second.
        var isQueued = false
        /// A raw `FeedMode`.
        var mode = FeedMode.unknown.rawValue
    }

    /// From then on that one delivers.
    struct Span: Sendable {
        let from: Timestamp
        let rank: Int
    }

    /// A switch that is not on record yet.
    struct Pending: Sendable {
        let previous: Int
        /// Undefined: with the first record of the new one.
        let at: Timestamp
        /// It did not deliver any more when it was left.
        let wasLost: Bool
    }

    struct Outage: Sendable {
        let rank: Int
        let kind: UInt8
        let from: Timestamp
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

    /// Spans that are remembered; what is older than the oldest is nobody's any more.
    static let spansMax = 16
    /// A kind has one open outage; more than this are a provider's mistake, and not closed.
    static let outagesMax = 32
    /// How often the time before a return is doubled.
    static let doublingsMax = 7

    /// By priority; their places here are ranks.
    let providers: [Int]
    var feeds: [Feed]
    var active = 0
    /// Ranks below this are asked: all that are better than the active one, so that it is known
    /// when they are back.
    var asked = 1
    var spans = [Span(from: Timestamp(nanoseconds: Int64.min), rank: 0)]
    var pending: Pending?
    var activeSince: Int64
    /// When those behind the active one are let go; nil: there are none.
    var releaseAt: Int64?
    /// Returns that did not last.
    var returns = 0
    var outages: [Outage] = []
    /// The latest event time of what was kept; stamps that are far ahead leave it.
    var reached = Timestamp(nanoseconds: Int64.min)
    /// Kinds that came live of the one who delivers: a bit each, by the raw kind.
    var kinds: UInt16 = 0

    init(_ providers: [Int], now: Int64) {
        self.providers = providers
        feeds = providers.map { _ in Feed(since: now) }
        activeSince = now
    }

    func rank(of provider: Int) -> Int? { providers.firstIndex(of: provider) }

    /// The span that a time lies in.
    func span(at time: Timestamp) -> Int? { spans.lastIndex { $0.from <= time } }

    /// The part of an interval in which that one delivers; `to` may be undefined. Nil: there is
    /// none. Who is down does not get the instrument back meanwhile, so there are no two parts.
    func part(
        of from: Timestamp, _ to: Timestamp, by rank: Int
    ) -> (from: Timestamp, to: Timestamp)? {
        for (index, span) in spans.enumerated() where span.rank == rank {
            let end = index + 1 < spans.count ? spans[index + 1].from : .undefined
            // Undefined is behind all times.
            let (first, last) = (max(from, span.from), min(to, end))
            if first < last { return (first, last) }
        }
        return nil
    }

    func isFeeder(_ rank: Int, at time: Timestamp) -> Bool {
        span(at: time).map { spans[$0].rank == rank } ?? false
    }

    /// It is on the tape, and lasts.
    mutating func note(_ outage: Outage) {
        let isKnown = outages.contains { $0.isSame(as: outage) }
        guard !isKnown, outages.count < Self.outagesMax else { return }
        outages.append(outage)
    }

    /// Of kinds that this one delivered, and of whose end it has not told: they are missing behind
    /// the last tick.
    func untold(of rank: Int) -> [Outage] {
        (0..<UInt8(UInt16.bitWidth)).filter { kind in
            kinds & 1 << UInt16(kind) != 0
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

    /// What is missing and has no end on the tape, told or not.
    var unfinished: [Outage] {
        guard let pending, pending.wasLost else { return outages }
        return untold(of: pending.previous) + outages
    }

    /// This one follows another of the same instrument: what the first of its providers had to
    /// deliver before stays its own, and what another one had does not become so.
    mutating func carryOver(_ former: FeedRoute, _ now: Timestamp) {
        guard let last = former.spans.last else { return }
        guard former.providers[last.rank] == providers[0] else {
            spans = [Span(from: now, rank: 0)]
            return
        }
        spans = [Span(from: min(last.from, now), rank: 0)]
        (reached, kinds) = (former.reached, former.kinds)
        outages = former.outages.filter { $0.rank == last.rank }.map { outage in
            Outage(rank: 0, kind: outage.kind, from: outage.from, reason: outage.reason)
        }
    }

    /// Nobody needs to ask about what has one provider alone.
    var hasChoice: Bool { providers.count > 1 }

    mutating func begin(_ rank: Int, from time: Timestamp) {
        guard spans.last?.rank != rank else { return }
        spans.append(Span(from: max(time, spans.last?.from ?? time), rank: rank))
        if spans.count > Self.spansMax { spans.removeFirst() }
    }

    // MARK: what to do

    enum Decision: Hashable {
        case stay
        case failOver
        case goBack(Int)
    }

    func decision(_ settings: FeedRouter.Settings, now: Int64) -> Decision {
        // A return is being carried out: its last late records are awaited.
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

    private func isLost(_ settings: FeedRouter.Settings, _ now: Int64) -> Bool {
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
