/// An instrument, with everything that a provider needs to be asked for it.
public struct Instrument: Hashable, Sendable {
    /// Our name for the instrument: the key of everything that is derived.
    public var symbol: Symbol
    public var contract: Contract
    /// The exchange whose book is requested; empty: the contract's own exchange.
    public var depthExchange = ""
    /// The wanted data.
    public var feeds: Feeds
    /// The providers that deliver it, by priority; empty: any provider of the source, in the
    /// source's order.
    public var providers: [String]
    /// The round lot; `nil` when it is not known. It is no part of what a provider is asked for.
    public var lot: RoundLot?

    public init(symbol: Symbol, contract: Contract, feeds: Feeds, providers: [String] = []) {
        self.symbol = symbol
        self.contract = contract
        self.feeds = feeds
        self.providers = providers
    }
}

extension Instrument {
    public enum Security: String, Sendable, CaseIterable {
        case stock, option, future, futureOption = "future-option", forex, crypto, index, cfd, bond
        case commodity
    }

    public enum Right: String, Sendable {
        case call, put
    }

    /// The provider's fields of a contract. Texts are printable ASCII, of at most `textBytesMax`
    /// bytes; empty: not given.
    public struct Contract: Hashable, Sendable {
        public static let textBytesMax = 64

        public var security: Security
        /// The provider's own name, where it differs from our symbol.
        public var providerSymbol = ""
        public var exchange = ""
        public var primaryExchange = ""
        public var currency = ""
        public var localSymbol = ""
        public var tradingClass = ""
        /// `yyyymmdd` or `yyyymm`.
        public var expiry = ""
        public var strike = Price.undefined
        public var right: Right?
        public var multiplier = ""
        /// The provider's number of the contract; 0: none.
        public var providerID: Int32 = 0

        public init(_ security: Security) { self.security = security }
    }

    /// The kinds of data that may be requested of a provider.
    public struct Feeds: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Best bid and offer, last trade and day's values; the provider may conflate them.
        public static let level1 = Feeds(rawValue: 1 << 0)
        /// Every trade that counts for the last price.
        public static let trades = Feeds(rawValue: 1 << 1)
        /// Every trade, including those that are not reported in the last price.
        public static let allTrades = Feeds(rawValue: 1 << 2)
        /// Every change of the best bid and offer.
        public static let quotes = Feeds(rawValue: 1 << 3)
        /// Every change of the midpoint.
        public static let midpoints = Feeds(rawValue: 1 << 4)
        /// The book of one exchange.
        public static let depth = Feeds(rawValue: 1 << 5)
        /// The book over all exchanges.
        public static let smartDepth = Feeds(rawValue: 1 << 6)
        /// The provider's bars of five seconds.
        public static let bars = Feeds(rawValue: 1 << 7)
        /// Volatilities and greeks of options.
        public static let computations = Feeds(rawValue: 1 << 8)
        public static let news = Feeds(rawValue: 1 << 9)
        public static let fundamentals = Feeds(rawValue: 1 << 10)
        /// Daily bars of the past, once per day. They warm up breadth.
        public static let dailyHistory = Feeds(rawValue: 1 << 11)
        /// The values of a series, such as an interest rate.
        public static let indicators = Feeds(rawValue: 1 << 12)

        /// The kinds of data that result from the feeds.
        public var kinds: Set<DataKind> {
            var kinds: Set<DataKind> = []
            if !isDisjoint(with: [.level1, .trades, .allTrades]) { kinds.insert(.trade) }
            if !isDisjoint(with: [.level1, .quotes]) { kinds.insert(.quote) }
            if !isDisjoint(with: [.level1, .midpoints, .indicators]) {
                kinds.insert(.indicator)
            }
            if !isDisjoint(with: [.depth, .smartDepth]) { kinds.insert(.depth) }
            if !isDisjoint(with: [.bars, .dailyHistory]) { kinds.insert(.providerBar) }
            if contains(.computations) { kinds.insert(.optionComputation) }
            if contains(.news) { kinds.insert(.news) }
            if contains(.fundamentals) { kinds.insert(.fundamental) }
            return kinds
        }
    }
}
