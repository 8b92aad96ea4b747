public import MarketModel
public import Primitives

/// A tick whose value is a text: dividends, fundamental ratios.
public struct TickString: Hashable, Sendable {
    public var request: Int32
    public var type: Int32
    public var text: String
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

public struct NewsProvider: Hashable, Sendable {
    public var code: String
    public var name: String
}

/// A document about a company, as the provider sends it.
public struct FundamentalDocument: Hashable, Sendable {
    public var request: Int32
    public var content: [UInt8]
}

public struct TickRequestParameters: Hashable, Sendable {
    public var request: Int32
    public var minTick: Price
    /// The key of the letters in `exchange` texts.
    public var bboExchange: String
    public var snapshotPermissions: Int64?
}

/// A contract's data are those of another contract, for which the request has to be made.
public struct Reroute: Hashable, Sendable {
    public var request: Int32
    public var contract: Int32
    public var exchange: String
}
