internal import IBProtocol
internal import MarketModel

/// What is asked of the provider by one request.
public enum FeedKind: String, Hashable, Sendable, CaseIterable {
    /// Level 1, and what comes with it: option numbers and headlines.
    case marketData = "level1"
    case trades
    case quotes
    case midpoints
    case depth
    case smartDepth = "smart-depth"
    case bars
    case fundamentals
    case dailyHistory = "daily-history"
    /// Headlines of the last day.
    case headlines
    /// Since when there is history.
    case firstTime = "first-time"

    /// It comes as a whole, once a day.
    var isDocument: Bool {
        switch self {
        case .fundamentals, .dailyHistory, .headlines, .firstTime: true
        case .marketData, .trades, .quotes, .midpoints, .depth, .smartDepth, .bars: false
        }
    }

    /// How fine the times of its ticks are: what may be missing at an outage's borders.
    func grain(of kind: DataKind) -> Int64 {
        switch self {
        case .trades, .quotes, .midpoints: EngineLimits.second
        case .marketData: kind == .trade ? 1_000_000 : 1
        case .depth, .smartDepth, .bars, .fundamentals, .dailyHistory, .headlines, .firstTime: 1
        }
    }

    /// How old what it tells may be by its own stamps, and be on time; nil: it has none. The
    /// provider's clock is known to a second only, and its ticks are put together before they come.
    var lag: Lag? {
        switch self {
        case .trades, .quotes, .midpoints, .marketData: .stamped
        // Stamped with its end, and made behind it.
        case .bars: .bars
        case .depth, .smartDepth, .fundamentals, .dailyHistory, .headlines, .firstTime: nil
        }
    }

    enum Lag {
        case stamped
        case bars
    }

    /// By whose maximum it is bounded.
    var lines: LineLimit? {
        switch self {
        case .marketData, .bars: .marketData
        case .trades, .quotes, .midpoints: .tickByTick
        case .depth, .smartDepth: .depth
        case .fundamentals, .dailyHistory, .headlines, .firstTime: nil
        }
    }

    /// The requests for what is wanted of an instrument.
    static func needed(_ feeds: Instrument.Feeds) -> [FeedKind] {
        var kinds: [FeedKind] = []
        if !feeds.isDisjoint(with: [.level1, .computations, .news]) { kinds.append(.marketData) }
        // All trades include those that count for the last price: asked once, told once.
        if !feeds.isDisjoint(with: [.trades, .allTrades]) { kinds.append(.trades) }
        if feeds.contains(.quotes) { kinds.append(.quotes) }
        if feeds.contains(.midpoints) { kinds.append(.midpoints) }
        if feeds.contains(.depth) { kinds.append(.depth) }
        if feeds.contains(.smartDepth) { kinds.append(.smartDepth) }
        if feeds.contains(.bars) { kinds.append(.bars) }
        if feeds.contains(.fundamentals) { kinds.append(.fundamentals) }
        if feeds.contains(.dailyHistory) { kinds += [.dailyHistory, .firstTime] }
        if feeds.contains(.news) { kinds.append(.headlines) }
        return kinds
    }

    /// Of which kinds of data it is the one that delivers. Level 1 hands trades and quotes over
    /// when the same come tick by tick.
    func kinds(of instrument: Instrument) -> KindSet {
        let feeds = instrument.feeds
        switch self {
        case .marketData:
            let security = SecurityKind(instrument.contract.security)
            var kinds: KindSet = []
            if feeds.contains(.level1) {
                kinds.insert(.indicator)
                if security.hasQuotes { kinds.insert(.quote) }
                if security.hasLast { kinds.insert(.trade) }
            }
            if feeds.contains(.computations) { kinds.insert(.optionComputation) }
            if feeds.contains(.news) { kinds.insert(.news) }
            return kinds
        case .trades: return [.trade]
        case .quotes: return [.quote]
        case .midpoints: return feeds.contains(.level1) ? [] : [.indicator]
        case .depth: return [.depth]
        case .smartDepth: return feeds.contains(.depth) ? [] : [.depth]
        case .bars: return [.providerBar]
        case .fundamentals, .dailyHistory, .headlines, .firstTime: return []
        }
    }
}

/// Kinds of data, in the order of their numbers.
struct KindSet: OptionSet, Hashable, Sendable {
    let rawValue: UInt16
    init(rawValue: UInt16) { self.rawValue = rawValue }
    init(_ kind: DataKind) { rawValue = 1 << UInt16(kind.rawValue) }

    static let trade = KindSet(.trade)
    static let quote = KindSet(.quote)
    static let depth = KindSet(.depth)
    static let providerBar = KindSet(.providerBar)
    static let optionComputation = KindSet(.optionComputation)
    static let news = KindSet(.news)
    static let indicator = KindSet(.indicator)

    static let everything: [DataKind] = [
        .trade, .quote, .depth, .providerBar, .optionComputation, .news, .indicator,
    ]

    var kinds: [DataKind] { Self.everything.filter { contains(KindSet($0)) } }
}
