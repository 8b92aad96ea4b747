/// The numbers of a trade message, as the texts that are sent.
public struct TradeTexts: Equatable, Sendable {
    public var price, size, exchange, conditions: String
    /// Bit 0: past limit; bit 1: unreported.
    public var mask: Int32

    public init(
        price: String, size: String, exchange: String, conditions: String, mask: Int32
    ) {
        self.price = price
        self.size = size
        self.exchange = exchange
        self.conditions = conditions
        self.mask = mask
    }
}

public struct QuoteTexts: Equatable, Sendable {
    public var bid, ask, bidSize, askSize: String

    public init(bid: String, ask: String, bidSize: String, askSize: String) {
        self.bid = bid
        self.ask = ask
        self.bidSize = bidSize
        self.askSize = askSize
    }
}

public struct BarTexts: Equatable, Sendable {
    public var open, high, low, close, volume, average, count: String

    public init(
        open: String, high: String, low: String, close: String, volume: String = "-1",
        average: String = "-1", count: String = "-1"
    ) {
        self.open = open
        self.high = high
        self.low = low
        self.close = close
        self.volume = volume
        self.average = average
        self.count = count
    }
}

/// The numbers of an option message. A number that was not computed is -1, or -2 for the
/// sensitivities.
public struct OptionNumbers: Equatable, Sendable {
    public var isPriceBased = true
    public var impliedVolatility = "-1"
    public var delta = "-2"
    public var price = "-1"
    public var dividend = "-1"
    public var gamma = "-2"
    public var vega = "-2"
    public var theta = "-2"
    public var underlying = "-1"

    public init() {}
}

public struct NewsItem: Equatable, Sendable {
    public var second: Int64
    public var provider, articleID, headline, extra: String

    public init(
        second: Int64, provider: String, articleID: String, headline: String, extra: String
    ) {
        self.second = second
        self.provider = provider
        self.articleID = articleID
        self.headline = headline
        self.extra = extra
    }
}

public struct DepthChange: Equatable, Sendable {
    public enum Operation: Int32, Sendable { case insert, update, delete }

    public var row: Int
    public var operation: Operation
    public var isBid: Bool
    /// Both are "0" for a deleted row.
    public var price, size: String
    public var maker: String?
    public var isSmart: Bool

    public init(
        row: Int, operation: Operation, isBid: Bool, price: String = "0", size: String = "0",
        maker: String? = nil, isSmart: Bool = false
    ) {
        self.row = row
        self.operation = operation
        self.isBid = isBid
        self.price = price
        self.size = size
        self.maker = maker
        self.isSmart = isSmart
    }
}
