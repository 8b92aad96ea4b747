package import Primitives

/// A trade of the simulated market.
package struct ExchangeTrade: Equatable, Sendable {
    /// The place of its symbol in the market.
    package let symbol: Int
    /// Dense within the symbol.
    package let id: UInt64
    package let time: Timestamp
    /// In ticks of the symbol.
    let price: Int64
    /// In steps of the symbol.
    let quantity: Int64
    let isBuyerMaker: Bool

    /// The time as the exchange writes it.
    var milliseconds: Int64 { time.nanoseconds / 1_000_000 }
}
