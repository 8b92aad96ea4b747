package import Primitives

/// One event of the market.
package struct MarketEvent: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case quote(MarketQuote)
        case trade(MarketTrade)
        /// A change of the order books. The bits and the book determine the change.
        case book(bits: UInt64)
    }

    /// The time to the nanosecond. Clients see only its second.
    package var time: Timestamp
    /// The instrument's index in the list.
    package var instrument: Int
    package var kind: Kind

    var second: Int64 { time.nanoseconds / 1_000_000_000 }
}

/// A quote. Prices are in steps, sizes in the smallest units of the instrument.
package struct MarketQuote: Equatable, Sendable {
    package var bid, ask, bidSize, askSize: Int64
    package var isPastLow = false
    package var isPastHigh = false
}

package struct MarketTrade: Equatable, Sendable {
    package var price, size: Int64
    /// The index in `SimulatedInstrument.exchanges`.
    package var exchange: Int
    package var conditions: String
    package var isPastLimit = false
    /// True for a trade that is not in the exchange's totals.
    package var isUnreported = false
}
