internal import MarketModel
internal import Primitives
internal import StreamCore

/// Encodes ticks, one at a time, into a buffer that it reuses, for an operator that takes bytes:
/// a JSON object with the names of `TickField`.
///
/// Prices are whole numbers in 1e-9, sizes whole numbers in 1e-8, so nothing is lost. Times are in
/// nanoseconds. An undefined value is null.
struct TickEncoder: Sendable {
    private var json = JSONWriter()

    private enum Value {
        case text(String)
        case number(Int64)
        case id(UInt64)
        case undefined
    }

    mutating func encode(_ tick: GraphTick, of symbol: SourceSymbol) -> [UInt8] {
        json.removeAll()
        json.object { object in
            for (name, value) in Self.members(of: tick, symbol) {
                object.key(name)
                switch value {
                case .text(let text): object.value(text)
                case .number(let number): object.value(number)
                case .id(let number): object.value(number)
                case .undefined: object.null()
                }
            }
        }
        return json.bytes
    }

    private static func members(
        of tick: GraphTick, _ symbol: SourceSymbol
    ) -> [(String, Value)] {
        let header = tick.header
        var members: [(String, Value)] = [
            ("symbol", .text(symbol.symbol.text)), ("source", .text(symbol.source.text)),
            ("time", value(header.eventTime)), ("receive_time", value(header.receiveTime)),
            ("id", .id(header.providerID)),
            ("flags", .id(UInt64(header.flags.rawValue))),
        ]
        switch tick {
        case .trade(let trade):
            members.insert(("kind", .text("trade")), at: 0)
            members.append(("price", value(trade.price)))
            members.append(("size", value(trade.size)))
            members.append(("exchange", .text(trade.exchange.text)))
            members.append(("conditions", .text(trade.conditions.text)))
        case .quote(let quote):
            members.insert(("kind", .text("quote")), at: 0)
            members.append(("bid", value(quote.bidPrice)))
            members.append(("bid_size", value(quote.bidSize)))
            members.append(("ask", value(quote.askPrice)))
            members.append(("ask_size", value(quote.askSize)))
            members.append(("bid_exchange", .text(quote.bidExchange.text)))
            members.append(("ask_exchange", .text(quote.askExchange.text)))
        }
        return members
    }

    private static func value(_ time: Timestamp) -> Value {
        time.isDefined ? .number(time.nanoseconds) : .undefined
    }

    private static func value(_ price: Price) -> Value {
        price.isDefined ? .number(price.raw) : .undefined
    }

    private static func value(_ size: Quantity) -> Value {
        size.isDefined ? .number(size.raw) : .undefined
    }
}
