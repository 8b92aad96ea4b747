package import MarketModel
package import Primitives

/// A tick whose value is a text: dividends, fundamental ratios.
package struct TickString: Hashable, Sendable {
    package var request: Int32
    package var type: Int32
    package var text: String
}

/// A headline that comes live.
package struct TickNews: Hashable, Sendable {
    package var request: Int32
    /// When the article was published; undefined: the provider does not say.
    package var time: Timestamp
    /// The code of the news provider.
    package var provider: String
    /// The article's id, unique for the news provider.
    package var article: String
    package var headline: String
    package var extra: String
}

/// A notice to all clients of the broker.
package struct BulletinMessage: Hashable, Sendable {
    /// Its number, which a restarted platform gives again.
    package var id: Int32
    package var kind: BulletinKind
    package var text: String
    /// The exchange that it is about; empty: none.
    package var exchange: String
}

/// A headline of the past. Its fields are those of `TickNews`.
package struct HistoricalHeadline: Hashable, Sendable {
    package var request: Int32
    package var time: ProviderTime
    package var provider: String
    package var article: String
    package var headline: String
}

/// A news provider whose headlines the account may read.
package struct NewsProvider: Hashable, Sendable {
    package var code: String
    package var name: String
}

/// A document about a company, as the provider sends it.
package struct FundamentalDocument: Hashable, Sendable {
    package var request: Int32
    package var content: [UInt8]
}

/// A contract's data are those of another contract, for which the request has to be made.
package struct Reroute: Hashable, Sendable {
    package var request: Int32
    /// The provider's id of the other contract.
    package var contract: Int32
    package var exchange: String
}
