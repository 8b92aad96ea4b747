public import Primitives

/// One event of the market.
public struct MarketEvent: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        case quote(MarketQuote)
        case trade(MarketTrade)
        /// A change of the order books. The bits and the book determine the change.
        case book(bits: UInt64)
    }

    /// The time to the nanosecond. Clients see only its second.
    public var time: Timestamp
    /// The instrument's index in the list.
    public var instrument: Int
    public var kind: Kind

    var second: Int64 { time.nanoseconds / 1_000_000_000 }
}

/// A quote. Prices are in steps, sizes in the smallest units of the instrument.
public struct MarketQuote: Equatable, Sendable {
    public var bid, ask, bidSize, askSize: Int64
    public var isPastLow = false
    public var isPastHigh = false
}

public struct MarketTrade: Equatable, Sendable {
    public var price, size: Int64
    /// The index in `SimulatedInstrument.exchanges`.
    public var exchange: Int
    public var conditions: String
    public var isPastLimit = false
    /// True for a trade that is not in the exchange's totals.
    public var isUnreported = false
}
