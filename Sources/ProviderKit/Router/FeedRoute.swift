internal import MarketModel
internal import Primitives
internal import ProviderModel

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
