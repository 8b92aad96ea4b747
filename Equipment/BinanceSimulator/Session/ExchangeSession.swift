internal import Primitives
internal import VenueWeb

/// What the exchange knows about a client: the streams that it has asked for.
package struct ExchangeSession: Sendable {
    private(set) var streams: Set<String> = []
    /// Events are wrapped with the names of their streams.
    private(set) var isCombined = false

    /// Begins the WebSocket with the streams of its address: `/ws`, `/ws/A/B` or
    /// `/stream?streams=A/B`. Refuses another address.
    mutating func upgrade(_ request: VenueRequest) -> HTTPAnswer {
        let names = request.path.split(separator: "/").map(String.init)
        guard ["ws", "stream"].contains(names.first) else {
            return HTTPAnswer(status: 404)
        }
        let isCombined = names.first == "stream"
        let wanted =
            isCombined
            ? (request.query["streams"] ?? "").split(separator: "/").map(String.init)
            : Array(names.dropFirst())
        guard wanted.count <= ExchangeLimits.streamsMax,
            let answer = HTTPAnswer.webSocket(request)
        else { return HTTPAnswer(status: 400) }
        self.isCombined = isCombined
        streams = Set(wanted)
        return answer
    }

    private enum Method: String {
        case subscribe = "SUBSCRIBE"
        case unsubscribe = "UNSUBSCRIBE"
        case list = "LIST_SUBSCRIPTIONS"
        case setProperty = "SET_PROPERTY"
        case property = "GET_PROPERTY"
    }

    /// Returns the answer to a message of the client.
    mutating func answer(to bytes: [UInt8]) -> [UInt8] {
        let request: JSONValue
        do throws(JSONError) {
            request = try JSONValue.parse(bytes)
        } catch {
            return ExchangeMessages.refusal(3, "Invalid JSON: \(error.reason.rawValue)", nil)
        }
        guard let method = request["method"]?.string, let id = request["id"] else {
            return ExchangeMessages.refusal(
                2, "Invalid request: missing field `method` or `id`", request["id"])
        }
        let parameters = request["params"]?.array ?? []
        let names = parameters.compactMap(\.string)
        switch Method(rawValue: method) {
        case .subscribe, .unsubscribe:
            guard names.count == parameters.count, !names.isEmpty else {
                return ExchangeMessages.refusal(
                    2, "Invalid request: params must be a list of streams", id)
            }
            return method == Method.subscribe.rawValue
                ? subscribe(names, id) : unsubscribe(names, id)
        case .list:
            let streams = streams.sorted()
            return ExchangeMessages.answer(id) { json in
                json.array { list in for stream in streams { list.value(stream) } }
            }
        case .setProperty:
            guard parameters.count == 2, names == ["combined"], let flag = parameters[1].bool else {
                return ExchangeMessages.refusal(2, "Invalid request: unknown property", id)
            }
            isCombined = flag
            return ExchangeMessages.answer(id)
        case .property:
            let flag = isCombined
            return ExchangeMessages.answer(id) { $0.value(flag) }
        case nil:
            return ExchangeMessages.refusal(
                2, "Invalid request: unknown variant `\(method.prefix(40))`", id)
        }
    }

    private mutating func subscribe(_ names: [String], _ id: JSONValue) -> [UInt8] {
        let wanted = streams.union(names)
        guard wanted.count <= ExchangeLimits.streamsMax else {
            return ExchangeMessages.refusal(2, "Invalid request: too many streams", id)
        }
        streams = wanted
        return ExchangeMessages.answer(id)
    }

    private mutating func unsubscribe(_ names: [String], _ id: JSONValue) -> [UInt8] {
        streams.subtract(names)
        return ExchangeMessages.answer(id)
    }
}
