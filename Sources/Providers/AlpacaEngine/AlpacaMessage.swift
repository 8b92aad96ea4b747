internal import MarketModel
internal import Primitives

enum AlpacaBeside: Sendable {
    case none
    case bar(feed: Int, ProviderBar)
    case change(AlpacaChange)
    case status(feed: Int, IndicatorValue)
    case news(AlpacaArticle)
    /// Something of a symbol that is wanted and that the tape cannot hold, or that lacks a field.
    case misfit(feed: Int, time: Timestamp, text: String)
}

/// What became of a trade.
struct AlpacaChange: Sendable {
    var feed: Int
    var action: TradeAction
    var exchange: UInt8
    /// The service's id of the trade.
    var id: UInt64
    /// Its id from now on, if it is corrected.
    var newID: UInt64 = 0
    /// What it was until now, as `TradeNumber.content` has it; 0: the service does not say it.
    var content: UInt32 = 0
    /// When it was changed.
    var time: Timestamp
    /// The values that count now, or that no longer count.
    var trade: Trade
}

struct AlpacaArticle: Sendable {
    var feeds: [Int]
    var record: NewsHeadline
}

enum AlpacaControl: Sendable {
    case connected
    case authenticated
    case error(code: Int, text: String)
    /// The whole list of what is subscribed to, by channel.
    case subscribed([AlpacaChannel: Set<String>])
}
