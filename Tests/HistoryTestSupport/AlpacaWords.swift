package import AlpacaEngine
package import EngineKit
package import Primitives

/// Alpaca's messages.
package enum AlpacaWords: VenueWords {
    package static let connected = #"[{"T":"success","msg":"connected"}]"#
    package static let authenticated = #"[{"T":"success","msg":"authenticated"}]"#
    package static let refusedKey = error(402, "auth failed")
    package static let occupied = error(406, "connection limit exceeded")

    package static func error(_ code: Int, _ text: String = "a reason") -> String {
        "[{\"T\":\"error\",\"code\":\(code),\"msg\":\"\(text)\"}]"
    }

    package static func venue(_ change: (inout StreamSettings) -> Void) -> AlpacaEngine {
        var settings = AlpacaSettings(.sip, seed: 1)
        settings.stream.tradesKept = 1_024
        change(&settings.stream)
        return AlpacaEngine(settings)
    }

    /// Two trades that follow each other have one id, as they may off the exchanges.
    package static func trade(
        _ symbol: String, _ number: UInt64, size: String, at time: Timestamp
    ) -> String {
        "{\"T\":\"t\",\"S\":\"\(symbol)\",\"i\":\(number / 2),\"x\":\"D\",\"p\":126.55,"
            + "\"s\":\(size),\"c\":[\"@\",\"I\"],\"z\":\"C\",\"t\":\"\(time)\"}"
    }

    package static func refusal(of symbol: String) -> String { error(400, "invalid syntax") }

    package static func answers(
        to request: String, _ subscribed: inout [String: [String]]
    ) -> [String] {
        guard let request = try? JSONValue.parse(request) else { return [] }
        var lists: [String] = []
        for channel in ["trades", "quotes", "bars", "updatedBars", "statuses", "news"] {
            let names = request[channel]?.array?.compactMap(\.string) ?? []
            var list = subscribed[channel, default: []].filter { !names.contains($0) }
            if request["action"]?.string == "subscribe" { list += names }
            subscribed[channel] = list
            lists.append("\"\(channel)\":[\(list.map { "\"\($0)\"" }.joined(separator: ","))]")
        }
        return ["[{\"T\":\"subscription\",\(lists.joined(separator: ","))}]"]
    }

    package static func words(of request: String) -> [String] {
        guard let request = try? JSONValue.parse(request) else { return [] }
        return ["trades", "quotes", "bars"].flatMap {
            request[$0]?.array?.compactMap(\.string) ?? []
        }
    }

    package static func page(_ events: [PastEvent], next: String) -> [UInt8] {
        let rows = events.map { row($0.time, $0.id / 2, exchange: "D", size: "\($0.id)") }
        return page(rows, of: "AAPL", next: next)
    }

    package static func page(_ rows: [String], of symbol: String, next: String) -> [UInt8] {
        let token = next.isEmpty ? "null" : "\"\(next)\""
        let list = rows.joined(separator: ",")
        return Array("{\"trades\":{\"\(symbol)\":[\(list)]},\"next_page_token\":\(token)}".utf8)
    }

    /// A trade of the past.
    package static func row(
        _ time: Timestamp, _ id: UInt64, exchange: String, size: String
    ) -> String {
        "{\"t\":\"\(time)\",\"x\":\"\(exchange)\",\"p\":126.55,\"s\":\(size),"
            + "\"c\":[\"@\",\"I\"],\"i\":\(id),\"z\":\"C\"}"
    }

    package static func asked(_ query: PastQuery) -> (span: Range<Timestamp>?, page: String)? {
        guard query.path == "/v2/stocks/trades", query["feed"] == "sip",
            let from = query["start"].flatMap(ISOTime.parse),
            let to = query["end"].flatMap(ISOTime.parse)
        else { return nil }
        return (from..<to.advanced(byNanoseconds: 1), query["page_token"] ?? "")
    }
}
