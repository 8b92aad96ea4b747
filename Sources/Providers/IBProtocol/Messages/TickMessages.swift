package import MarketModel
package import Primitives

// Frequent messages: values of a fixed size, without the heap. In all of them `request` is the
// number of the request that they answer, and `type` says which value it is: one of `TickType`, or
// one that this version does not know. A price, size or ratio is undefined when none was sent.

/// A price of level 1, with its size.
package struct TickPrice: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    package var type: Int32
    /// Undefined when the provider reports that there is none at the moment.
    package var price: Price
    /// The size of bid, ask and last; undefined for the others.
    package var size: Quantity
}

/// A size or volume of level 1.
package struct TickSize: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    package var type: Int32
    package var size: Quantity
}

/// Any other number of level 1, such as a volatility.
package struct TickGeneric: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    package var type: Int32
    package var value: Ratio
}

/// The exchange of the last quote or trade. Those of a quote are one letter each.
package struct TickExchange: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    package var type: Int32
    package var exchange: ShortText
}

/// The time of the last trade, in whole seconds.
package struct TickTime: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    package var type: Int32
    package var time: Timestamp
}

/// `RTVolume` and `RT trade volume`: a trade with a time in milliseconds.
package struct RealTimeVolume: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    package var type: Int32
    /// Undefined when only the day's volume changed.
    package var price: Price
    package var size: Quantity
    package var time: Timestamp
}

/// The provider's computation of an option: greeks, and the prices that they are based on.
package struct TickOption: Hashable, Sendable {
    package var request: Int32
    package var type: Int32
    package var basis: OptionComputationBasis
    package var impliedVolatility: Ratio
    package var delta: Ratio
    package var gamma: Ratio
    package var vega: Ratio
    package var theta: Ratio
    package var optionPrice: Price
    package var dividends: Price
    package var underlyingPrice: Price
}

/// One change of one row of a book.
package struct DepthMessage: Hashable, Sendable {
    package var request: Int32
    /// The row, from 0. The value is not checked here, but by the book.
    package var position: Int32
    package var side: BookSide
    package var operation: DepthOperation
    /// Undefined when the row is deleted.
    package var price: Price
    package var size: Quantity
    package var marketMaker: MarketMaker
    package var flags: DepthFlags
}

/// The attributes of a trade.
package struct TradeAttributes: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// As the provider reports it: the price is past a limit.
    package static let pastLimit = TradeAttributes(rawValue: 1 << 0)
    /// The trade does not count for the last price.
    package static let unreported = TradeAttributes(rawValue: 1 << 1)
}

/// A trade with a time in whole seconds: `Last` and `AllLast`, live or from history.
package struct TradeTick: Hashable, Sendable, BitwiseCopyable {
    package var time: Timestamp
    package var price: Price
    package var size: Quantity
    package var exchange: ShortText
    package var conditions: ShortText
    package var attributes: TradeAttributes
}

/// A quote with a time in whole seconds, live or from history.
package struct QuoteTick: Hashable, Sendable, BitwiseCopyable {
    package var time: Timestamp
    package var bidPrice: Price
    package var bidSize: Quantity
    package var askPrice: Price
    package var askSize: Quantity
}

/// A midpoint of bid and ask with a time in whole seconds, live or from history.
package struct MidpointTick: Hashable, Sendable, BitwiseCopyable {
    package var time: Timestamp
    package var price: Price
}

/// A bar of 5 seconds. Volume and trades are undefined for bars that are not made of trades.
package struct RealTimeBar: Hashable, Sendable, BitwiseCopyable {
    package var request: Int32
    /// When the bar begins.
    package var time: Timestamp
    package var open: Price
    package var high: Price
    package var low: Price
    package var close: Price
    package var vwap: Price
    /// In 1e-8.
    package var volume: Int128
    package var trades: Int64
}
