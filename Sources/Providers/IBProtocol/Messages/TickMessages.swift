public import MarketModel
public import Primitives

// Frequent messages: values of a fixed size, without the heap. In all of them `request` is the
// number of the request that they answer, and `type` says which value it is: one of `TickType`, or
// one that this version does not know. A price, size or ratio is undefined when none was sent.

/// A price of level 1, with its size.
public struct TickPrice: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    public var type: Int32
    /// Undefined when the provider reports that there is none at the moment.
    public var price: Price
    /// The size of bid, ask and last; undefined for the others.
    public var size: Quantity
    public var attributes: TickAttributes
}

/// What a price of level 1 allows, or when it was made.
public struct TickAttributes: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let canAutoExecute = TickAttributes(rawValue: 1 << 0)
    /// As the provider reports it: the price is past a limit.
    public static let pastLimit = TickAttributes(rawValue: 1 << 1)
    public static let preOpen = TickAttributes(rawValue: 1 << 2)
}

/// A size or volume of level 1.
public struct TickSize: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    public var type: Int32
    public var size: Quantity
}

/// Any other number of level 1, such as a volatility.
public struct TickGeneric: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    public var type: Int32
    public var value: Ratio
}

/// The exchange of the last quote or trade. Those of a quote are one letter each.
public struct TickExchange: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    public var type: Int32
    public var exchange: ShortText
}

/// The time of the last trade, in whole seconds.
public struct TickTime: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    public var type: Int32
    public var time: Timestamp
}

/// `RTVolume` and `RT trade volume`: a trade with a time in milliseconds.
public struct RealTimeVolume: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    public var type: Int32
    /// Undefined when only the day's volume changed.
    public var price: Price
    public var size: Quantity
    public var time: Timestamp
    /// The volume of the day.
    public var totalVolume: Quantity
    /// The day's average price, weighted by volume.
    public var vwap: Price
    /// One market maker has filled the trade.
    public var isSingle: Bool
}

/// The provider's computation of an option: greeks, and the prices that they are based on.
public struct TickOption: Hashable, Sendable {
    public var request: Int32
    public var type: Int32
    public var basis: OptionComputationBasis
    public var impliedVolatility: Ratio
    public var delta: Ratio
    public var gamma: Ratio
    public var vega: Ratio
    public var theta: Ratio
    public var optionPrice: Price
    public var dividends: Price
    public var underlyingPrice: Price
}

/// One change of one row of a book.
public struct DepthMessage: Hashable, Sendable {
    public var request: Int32
    /// The row, from 0. The value is not checked here, but by the book.
    public var position: Int32
    public var side: BookSide
    public var operation: DepthOperation
    /// Undefined when the row is deleted.
    public var price: Price
    public var size: Quantity
    public var marketMaker: MarketMaker
    public var flags: DepthFlags
}

/// The attributes of a trade.
public struct TradeAttributes: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// As the provider reports it: the price is past a limit.
    public static let pastLimit = TradeAttributes(rawValue: 1 << 0)
    /// The trade does not count for the last price.
    public static let unreported = TradeAttributes(rawValue: 1 << 1)
}

/// The attributes of a quote. Live and historical messages number these bits in opposite orders;
/// this type has one order.
public struct QuoteAttributes: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let bidPastLow = QuoteAttributes(rawValue: 1 << 0)
    public static let askPastHigh = QuoteAttributes(rawValue: 1 << 1)
}

/// A trade with a time in whole seconds: `Last` and `AllLast`, live or from history.
public struct TradeTick: Hashable, Sendable, BitwiseCopyable {
    public var time: Timestamp
    public var price: Price
    public var size: Quantity
    public var exchange: ShortText
    public var conditions: ShortText
    public var attributes: TradeAttributes
}

/// A quote with a time in whole seconds, live or from history.
public struct QuoteTick: Hashable, Sendable, BitwiseCopyable {
    public var time: Timestamp
    public var bidPrice: Price
    public var bidSize: Quantity
    public var askPrice: Price
    public var askSize: Quantity
    public var attributes: QuoteAttributes
}

/// A midpoint of bid and ask with a time in whole seconds, live or from history.
public struct MidpointTick: Hashable, Sendable, BitwiseCopyable {
    public var time: Timestamp
    public var price: Price
}

/// A bar of 5 seconds. Volume and trades are undefined for bars that are not made of trades.
public struct RealTimeBar: Hashable, Sendable, BitwiseCopyable {
    public var request: Int32
    /// When the bar begins.
    public var time: Timestamp
    public var open: Price
    public var high: Price
    public var low: Price
    public var close: Price
    public var vwap: Price
    /// In 1e-8.
    public var volume: Int128
    public var trades: Int64
}
