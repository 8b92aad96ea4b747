internal import Primitives

/// The messages of the streams, and the answers to requests on them, as the exchange documents
/// them.
enum ExchangeMessages {
    /// The event of a trade. `isCombined` wraps it with the name of its stream.
    static func trade(
        _ trade: ExchangeTrade, of symbol: ExchangeSymbol, sent: Timestamp, isCombined: Bool
    ) -> [UInt8] {
        combined(isCombined ? symbol.stream : nil) { json in
            json.member("e", "trade")
            json.member("E", sent.nanoseconds / 1_000_000)
            json.member("s", symbol.name)
            json.member("t", trade.id)
            json.member("p", symbol.priceText(trade.price))
            json.member("q", symbol.quantityText(trade.quantity))
            json.member("T", trade.milliseconds)
            json.member("m", trade.isBuyerMaker)
            json.member("M", true)
        }
    }

    /// An event of a stream beside trades.
    static func event(
        _ stream: String, isCombined: Bool, _ members: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        combined(isCombined ? stream : nil, members)
    }

    /// The event that the server will end the connection.
    static func shutdown(_ now: Timestamp, isCombined: Bool) -> [UInt8] {
        combined(isCombined ? "!serverShutdown" : nil) { json in
            json.member("e", "serverShutdown")
            json.member("E", now.nanoseconds / 1_000_000)
        }
    }

    /// The answer to a request that has no result, or a list of texts, or a flag.
    static func answer(
        _ id: JSONValue, _ result: (inout JSONWriter) -> Void = { $0.null() }
    ) -> [UInt8] {
        JSONWriter.made { json in
            json.key("result")
            result(&json)
            json.key("id")
            json.value(id)
        }.bytes
    }

    /// A refusal; `id` is `nil` when the request could not be read.
    static func refusal(_ code: Int, _ text: String, _ id: JSONValue?) -> [UInt8] {
        JSONWriter.made { json in
            json.member("code", code)
            json.member("msg", text)
            if let id {
                json.key("id")
                json.value(id)
            }
        }.bytes
    }

    private static func combined(
        _ stream: String?, _ event: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        guard let stream else {
            writer.object(event)
            return writer.bytes
        }
        writer.object { json in
            json.member("stream", stream)
            json.object("data", event)
        }
        return writer.bytes
    }
}
