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
