public import MarketModel
public import Primitives

/// A tick whose value is a text: dividends, fundamental ratios.
public struct TickString: Hashable, Sendable {
    public var request: Int32
    public var type: Int32
    public var text: String
}

/// A headline that comes live.
public struct TickNews: Hashable, Sendable {
    public var request: Int32
    /// When the article was published; undefined: the provider does not say.
    public var time: Timestamp
    /// The code of the news provider.
    public var provider: String
    /// The article's id, unique for the news provider.
    public var article: String
    public var headline: String
    public var extra: String
}

/// A notice to all clients of the broker.
public struct BulletinMessage: Hashable, Sendable {
    /// Its number, which a restarted platform gives again.
    public var id: Int32
    public var kind: BulletinKind
    public var text: String
    /// The exchange that it is about; empty: none.
    public var exchange: String
}

/// A headline of the past. Its fields are those of `TickNews`.
public struct HistoricalHeadline: Hashable, Sendable {
    public var request: Int32
    public var time: ProviderTime
    public var provider: String
    public var article: String
    public var headline: String
}

/// A news provider whose headlines the account may read.
public struct NewsProvider: Hashable, Sendable {
    public var code: String
    public var name: String
}

/// A document about a company, as the provider sends it.
public struct FundamentalDocument: Hashable, Sendable {
    public var request: Int32
    public var content: [UInt8]
}

/// What the server reports about a subscription to level 1 when it begins.
public struct TickRequestParameters: Hashable, Sendable {
    public var request: Int32
    /// The smallest step of prices.
    public var minTick: Price
    /// The key of the letters in `exchange` texts.
    public var bboExchange: String
    public var snapshotPermissions: Int64?
}

/// A contract's data are those of another contract, for which the request has to be made.
public struct Reroute: Hashable, Sendable {
    public var request: Int32
    /// The provider's id of the other contract.
    public var contract: Int32
    public var exchange: String
}
