internal import IBProtocol
internal import MarketModel

/// The data that one request asks the provider for.
package enum FeedKind: String, Hashable, Sendable, CaseIterable {
    /// Level 1 and what comes with it: option numbers and headlines.
    case marketData = "level1"
    /// Trades, quotes and midpoints tick by tick.
    case trades
    case quotes
    case midpoints
    /// The book of one exchange.
    case depth
    /// The book of all exchanges together.
    case smartDepth = "smart-depth"
    /// Bars of five seconds.
    case bars
    /// A report about the company.
    case fundamentals
    /// The daily bars of a year.
    case dailyHistory = "daily-history"
    /// Headlines of the last day.
    case headlines
    /// The time since which there is history.
    case firstTime = "first-time"

    /// The data come as one document, once a day.
    var isDocument: Bool {
        switch self {
        case .fundamentals, .dailyHistory, .headlines, .firstTime: true
        case .marketData, .trades, .quotes, .midpoints, .depth, .smartDepth, .bars: false
        }
    }

    /// It brings an instrument's trades, or the volume of its day.
    var hasPrints: Bool { self == .marketData || self == .trades }

    /// Returns the grain of the feed's times: their resolution in nanoseconds; 1: they are exact. A
    /// time with a larger grain is the beginning of its second or millisecond, so a gap has to
    /// begin at such a beginning too.
    func grain(of kind: DataKind) -> Int64 {
        switch self {
        case .trades, .quotes, .midpoints: EngineLimits.second
        case .marketData: kind == .trade ? 1_000_000 : 1
        case .depth, .smartDepth, .bars, .fundamentals, .dailyHistory, .headlines, .firstTime: 1
        }
    }

    /// How late its ticks come by their own times; `nil`: they carry no time. The provider's clock
    /// is known to a second only, and its ticks are combined before they come.
    var lag: Lag? {
        switch self {
        case .trades, .quotes, .midpoints, .marketData: .stamped
        // A bar is stamped with its end, and made after it.
        case .bars: .bars
        case .depth, .smartDepth, .fundamentals, .dailyHistory, .headlines, .firstTime: nil
        }
    }

    enum Lag {
        /// At most `EngineLimits.stampedLag`.
        case stamped
        /// At most `EngineLimits.barLag`.
        case bars
    }

    /// The kind of line that it takes; `nil`: it takes none. A line is one of the simultaneous
    /// subscriptions of that kind that the account may have.
    var lines: LineLimit? {
        switch self {
        case .marketData, .bars: .marketData
        case .trades, .quotes, .midpoints: .tickByTick
        case .depth, .smartDepth: .depth
        case .fundamentals, .dailyHistory, .headlines, .firstTime: nil
        }
    }

    /// Returns the requests for what is wanted of an instrument.
    static func needed(_ feeds: Instrument.Feeds) -> [FeedKind] {
        var kinds: [FeedKind] = []
        if !feeds.isDisjoint(with: [.level1, .computations, .news]) { kinds.append(.marketData) }
        // All trades include those that count for the last price, so they are requested and
        // recorded once.
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

    /// Returns the kinds of data that this feed delivers. Level 1 hands trades and quotes over when
    /// the same come tick by tick.
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

/// A set of kinds of data, in the order of their numbers.
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

    /// All kinds that feeds deliver, in order.
    static let everything: [DataKind] = [
        .trade, .quote, .depth, .providerBar, .optionComputation, .news, .indicator,
    ]

    var kinds: [DataKind] { Self.everything.filter { contains(KindSet($0)) } }
}
