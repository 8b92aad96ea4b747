/// The numbers of a trade message, as the texts that are sent.
struct TradeTexts: Equatable, Sendable {
    var price, size, exchange, conditions: String
    /// Bit 0: past limit; bit 1: unreported.
    var mask: Int32
}

struct QuoteTexts: Equatable, Sendable {
    var bid, ask, bidSize, askSize: String
}

struct BarTexts: Equatable, Sendable {
    var open, high, low, close: String
    var volume = "-1"
    var average = "-1"
    var count = "-1"
}

/// The numbers of an option message. A number that was not computed is -1, or -2 for the
/// sensitivities.
struct OptionNumbers: Equatable, Sendable {
    var isPriceBased = true
    var impliedVolatility = "-1"
    var delta = "-2"
    var price = "-1"
    var dividend = "-1"
    var gamma = "-2"
    var vega = "-2"
    var theta = "-2"
    var underlying = "-1"
}

struct NewsItem: Equatable, Sendable {
    var second: Int64
    var provider, articleID, headline, extra: String
}

struct DepthChange: Equatable, Sendable {
    enum Operation: Int32, Sendable { case insert, update, delete }

    var row: Int
    var operation: Operation
    var isBid: Bool
    /// Both are "0" for a deleted row.
    var price = "0"
    var size = "0"
    var maker: String?
    var isSmart: Bool
}
