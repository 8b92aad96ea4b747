public import Primitives

/// One thing that happens in the market.
public struct MarketEvent: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        case quote(MarketQuote)
        case trade(MarketTrade)
        /// A change of the books: which one follows from the bits and the book.
        case book(bits: UInt64)
    }

    /// Clients see the whole second of it.
    public var time: Timestamp
    /// Its place in the list.
    public var instrument: Int
    public var kind: Kind

    var second: Int64 { time.nanoseconds / 1_000_000_000 }
}

/// Prices in steps, sizes in the least units of the instrument.
public struct MarketQuote: Equatable, Sendable {
    public var bid, ask, bidSize, askSize: Int64
    public var isPastLow = false
    public var isPastHigh = false
}

public struct MarketTrade: Equatable, Sendable {
    public var price, size: Int64
    /// Its place in `SimulatedInstrument.exchanges`.
    public var exchange: Int
    public var conditions: String
    public var isPastLimit = false
    /// A print that the exchange's totals do not have.
    public var isUnreported = false
}
