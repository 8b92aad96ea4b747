package import EngineKit
package import MassiveEngine
package import Primitives

/// Massive's messages, as a session of 2026-09 had them.
package enum MassiveWords: VenueWords {
    package static let connected = status("connected", "Connected Successfully")
    package static let authenticated = status("auth_success", "authenticated")
    package static let refusedKey = status("auth_failed", "auth failed")
    package static let occupied = status(
        "max_connections", "Maximum number of websocket connections exceeded.")

    package static func status(_ status: String, _ message: String) -> String {
        "[{\"ev\":\"status\",\"status\":\"\(status)\",\"message\":\"\(message)\"}]"
    }

    package static func venue(_ change: (inout StreamSettings) -> Void) -> MassiveEngine {
        var settings = MassiveSettings(.realTime, seed: 1)
        settings.stream.tradesKept = 8_192
        change(&settings.stream)
        return MassiveEngine(settings)
    }

    package static func trade(
        _ symbol: String, _ number: UInt64, size: String, at time: Timestamp
    ) -> String {
        trade(symbol, number, id: "12345", size: size, at: time.nanoseconds / 1_000_000)
    }

    /// `time`: in milliseconds.
    package static func trade(
        _ symbol: String, _ number: UInt64, id: String, size: String, at time: Int64
    ) -> String {
        "{\"ev\":\"T\",\"sym\":\"\(symbol)\",\"x\":4,\"i\":\"\(id)\",\"z\":3,\"p\":114.125,"
            + "\"s\":\(size),\"c\":[0,12],\"t\":\(time),\"q\":\(number)}"
    }

    package static func refusal(of symbol: String) -> String {
        status("error", "not authorized: T.\(symbol)")
    }

    package static func answers(
        to request: String, _ subscribed: inout [String: [String]]
    ) -> [String] {
        let verb = request.contains("\"subscribe\"") ? "subscribed" : "unsubscribed"
        return words(of: request).map { status("success", "\(verb) to: \($0)") }
    }

    package static func words(of request: String) -> [String] {
        let words = (try? JSONValue.parse(request))?["params"]?.string?.split(separator: ",")
        return (words ?? []).map(String.init)
    }

    package static func page(_ events: [PastEvent], next: String) -> [UInt8] {
        let rows = events.map {
            row($0.time.nanoseconds + 123_456, $0.id, id: "12345", size: "\($0.id)")
        }
        return page(rows, of: "AAPL", next: next)
    }

    package static func page(_ rows: [String], of symbol: String, next: String) -> [UInt8] {
        let url = "https://x/v3/trades/\(symbol)?cursor=\(next)"
        let more = next.isEmpty ? "" : ",\"next_url\":\"\(url)\""
        let list = rows.joined(separator: ",")
        return Array("{\"status\":\"OK\",\"results\":[\(list)]\(more)}".utf8)
    }

    /// A trade of the past. `time`: in nanoseconds.
    package static func row(
        _ time: Int64, _ number: UInt64, id: String, size: String
    ) -> String {
        "{\"id\":\"\(id)\",\"conditions\":[12],\"exchange\":4,\"price\":114.125,"
            + "\"size\":\(size),\"sequence_number\":\(number),\"tape\":3,"
            + "\"sip_timestamp\":\(time)}"
    }

    package static func asked(_ query: PastQuery) -> (span: Range<Timestamp>?, page: String)? {
        guard query.path.hasPrefix("/v3/trades/") else { return nil }
        let times = ["timestamp.gte", "timestamp.lt"].map { query[$0].flatMap { Int64($0) } }
        guard let from = times[0], let to = times[1] else { return (nil, query["cursor"] ?? "") }
        return (Timestamp(nanoseconds: from)..<Timestamp(nanoseconds: to), "")
    }
}
