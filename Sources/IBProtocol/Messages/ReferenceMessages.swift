public import MarketModel
public import Primitives

/// A tick whose value is a text: dividends, fundamental ratios.
public struct TickString: Hashable, Sendable {
    public var request: Int32
    public var type: Int32
    public var text: String
}

/// Exchange for physical: a future against the shares that it is about.
public struct TickExchangeForPhysical: Hashable, Sendable {
    public var request: Int32
    public var type: Int32
    public var basisPoints: Ratio
    public var formattedBasisPoints: String
    public var impliedFuturesPrice: Price
    public var holdDays: Int64?
    public var futureLastTradeDate: String
    public var dividendImpact: Ratio
    public var dividendsToLastTradeDate: Ratio
}

public struct TickNews: Hashable, Sendable {
    public var request: Int32
    public var time: Timestamp
    public var provider: String
    public var article: String
    public var headline: String
    public var extra: String
}

public struct BulletinMessage: Hashable, Sendable {
    public var id: Int32
    public var kind: BulletinKind
    public var text: String
    public var exchange: String
}

public struct HistoricalHeadline: Hashable, Sendable {
    public var request: Int32
    public var time: ProviderTime
    public var provider: String
    public var article: String
    public var headline: String
}

public struct NewsArticle: Hashable, Sendable {
    public var request: Int32
    /// Otherwise text or HTML.
    public var isBinary: Bool
    public var content: [UInt8]
}

public struct NewsProvider: Hashable, Sendable {
    public var code: String
    public var name: String
}

/// A document about a company, as the provider sends it.
public struct FundamentalDocument: Hashable, Sendable {
    public var request: Int32
    public var content: [UInt8]
}

public struct MarketRule: Hashable, Sendable {
    public struct Increment: Hashable, Sendable {
        /// From this price on.
        public var from: Price
        public var increment: Price
    }

    public var id: Int32
    public var increments: [Increment]
}

public struct TickRequestParameters: Hashable, Sendable {
    public var request: Int32
    public var minTick: Price
    /// What `smartComponents` is asked with.
    public var bboExchange: String
    public var snapshotPermissions: Int64?
}

public struct SmartComponents: Hashable, Sendable {
    public struct Component: Hashable, Sendable {
        public var bit: Int32
        public var exchange: String
        public var letter: String
    }

    public var request: Int32
    public var components: [Component]
}

public struct DepthExchange: Hashable, Sendable {
    public var exchange: String
    public var kind: SecurityKind
    public var listingExchange: String
    public var serviceDataType: String
    public var aggregationGroup: Int64?
}

public struct SymbolSamples: Hashable, Sendable {
    public struct Sample: Hashable, Sendable {
        public var contract: Contract
        public var derivatives: [SecurityKind]
        public var description: String
        public var issuer: String
    }

    public var request: Int32
    public var samples: [Sample]
}

/// The options on one underlying at one exchange.
public struct OptionParameters: Hashable, Sendable {
    public var request: Int32
    public var exchange: String
    public var underlying: Int32
    public var tradingClass: String
    public var multiplier: String
    public var expirations: [String]
    public var strikes: [Price]
}

/// The data of a contract are those of another one: the request has to be made for that.
public struct Reroute: Hashable, Sendable {
    public var request: Int32
    public var contract: Int32
    public var exchange: String
}
