/// The numbers of a trade message, as the texts that are sent.
package struct TradeTexts: Equatable, Sendable {
    package var price, size, exchange, conditions: String
    /// Bit 0: past limit; bit 1: unreported.
    package var mask: Int32

    package init(
        price: String, size: String, exchange: String, conditions: String, mask: Int32
    ) {
        self.price = price
        self.size = size
        self.exchange = exchange
        self.conditions = conditions
        self.mask = mask
    }
}

package struct QuoteTexts: Equatable, Sendable {
    package var bid, ask, bidSize, askSize: String

    package init(bid: String, ask: String, bidSize: String, askSize: String) {
        self.bid = bid
        self.ask = ask
        self.bidSize = bidSize
        self.askSize = askSize
    }
}

package struct BarTexts: Equatable, Sendable {
    package var open, high, low, close, volume, average, count: String

    package init(
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
package struct OptionNumbers: Equatable, Sendable {
    package var isPriceBased = true
    package var impliedVolatility = "-1"
    package var delta = "-2"
    package var price = "-1"
    package var dividend = "-1"
    package var gamma = "-2"
    package var vega = "-2"
    package var theta = "-2"
    package var underlying = "-1"

    package init() {}
}

package struct NewsItem: Equatable, Sendable {
    package var second: Int64
    package var provider, articleID, headline, extra: String

    package init(
        second: Int64, provider: String, articleID: String, headline: String, extra: String
    ) {
        self.second = second
        self.provider = provider
        self.articleID = articleID
        self.headline = headline
        self.extra = extra
    }
}

package struct DepthChange: Equatable, Sendable {
    package enum Operation: Int32, Sendable { case insert, update, delete }

    package var row: Int
    package var operation: Operation
    package var isBid: Bool
    /// Both are "0" for a deleted row.
    package var price, size: String
    package var maker: String?
    package var isSmart: Bool

    package init(
        row: Int, operation: Operation, isBid: Bool, price: String = "0", size: String = "0",
        maker: String? = nil, isSmart: Bool
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
