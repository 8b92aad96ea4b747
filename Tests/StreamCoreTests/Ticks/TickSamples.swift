import MarketModel
import Primitives

/// Ticks for tests of the stages.
enum TickSamples {
    static func trade(
        symbol: UInt32 = 0, price: Int64 = 100_000_000_000, size: Int64 = 100_000_000,
        id: UInt64 = 0, received: Int64, exchange: String = "", conditions: String = "",
        flags: TickFlags = []
    ) -> Trade {
        Trade(
            header: TickHeader(
                symbol: symbol, flags: flags, providerTime: Timestamp(nanoseconds: received - 5),
                receiveTime: Timestamp(nanoseconds: received), providerID: id),
            price: Price(raw: price), size: Quantity(raw: size),
            exchange: ShortText(exchange) ?? .empty, conditions: ShortText(conditions) ?? .empty)
    }

    static func quote(
        symbol: UInt32 = 0, bid: Int64, ask: Int64, received: Int64 = 1_000
    ) -> Quote {
        Quote(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined,
                receiveTime: Timestamp(nanoseconds: received)),
            bidPrice: Price(raw: bid), bidSize: Quantity(raw: 100_000_000),
            askPrice: Price(raw: ask), askSize: Quantity(raw: 300_000_000))
    }
}

extension TickHeader {
    /// A tick whose provider and gateway give the same time.
    static func at(
        _ nanoseconds: Int64, symbol: UInt32 = 0, flags: TickFlags = [], id: UInt64 = 0
    ) -> TickHeader {
        let time = Timestamp(nanoseconds: nanoseconds)
        return TickHeader(
            symbol: symbol, flags: flags, providerTime: time, receiveTime: time, providerID: id)
    }
}

extension Trade {
    static func at(
        _ nanoseconds: Int64, _ price: Int64 = 1, size: Int64 = 1, symbol: UInt32 = 0,
        flags: TickFlags = []
    ) -> Trade {
        Trade(
            header: .at(nanoseconds, symbol: symbol, flags: flags), price: Price(raw: price),
            size: Quantity(raw: size))
    }
}

extension Quote {
    static func at(_ nanoseconds: Int64, bid: Int64, _ bidSize: Int64, ask: Int64, _ askSize: Int64)
        -> Quote
    {
        Quote(
            header: .at(nanoseconds), bidPrice: Price(raw: bid), bidSize: Quantity(raw: bidSize),
            askPrice: Price(raw: ask), askSize: Quantity(raw: askSize))
    }
}
