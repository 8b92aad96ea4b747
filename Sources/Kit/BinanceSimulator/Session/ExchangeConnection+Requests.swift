internal import Primitives

// What a client asks for on a WebSocket.
extension ExchangeConnection {
    /// Begins the WebSocket with the streams of its address: `/ws`, `/ws/A/B` or
    /// `/stream?streams=A/B`. Returns the refusal of another address.
    mutating func upgrade(_ request: HTTPRequest) -> HTTPAnswer? {
        let names = request.path.split(separator: "/").map(String.init)
        guard ["ws", "stream"].contains(names.first) else {
            return HTTPAnswer(status: 404)
        }
        let isCombined = names.first == "stream"
        let wanted =
            isCombined
            ? (request.query["streams"] ?? "").split(separator: "/").map(String.init)
            : Array(names.dropFirst())
        guard wanted.count <= ExchangeLimits.streamsMax else { return HTTPAnswer(status: 400) }
        guard let answer = HTTPAnswer.webSocket(request) else { return HTTPAnswer(status: 400) }
        isWebSocket = true
        self.isCombined = isCombined
        streams = Set(wanted)
        send(answer)
        return nil
    }

    /// Reads the frames that have come.
    mutating func readFrames(_ now: Timestamp) {
        while !out.isClosing {
            switch WebSocketFrame.read(input) {
            case .incomplete: return
            case .malformed: return close(1_002, "Protocol error")
            case .frame(let frame, let count):
                input.removeFirst(count)
                guard countFrame(now) else { return close(1_008, "Too many requests") }
                handle(frame, now)
            }
        }
    }

    private mutating func handle(_ frame: WebSocketFrame, _ now: Timestamp) {
        switch frame.kind {
        case .ping:
            send(
                WebSocketFrame(kind: .pong, payload: frame.payload), QueuedMessage(kind: "pong"))
        case .pong: tookPong()
        case .close: close(1_000)
        case .text, .binary, .continuation:
            guard (frame.kind == .continuation) == (pieces != nil) else {
                return close(1_002, "Protocol error")
            }
            let message = (pieces ?? []) + frame.payload
            guard message.count <= ExchangeLimits.requestBytesMax else {
                return close(1_009, "Message too big")
            }
            pieces = frame.isLast ? nil : message
            guard frame.isLast else { return }
            let answer = answer(to: message)
            guard !isMute(now) else { return }
            send(.text(answer), QueuedMessage(kind: "answer"))
        }
    }

    private enum Method: String {
        case subscribe = "SUBSCRIBE"
        case unsubscribe = "UNSUBSCRIBE"
        case list = "LIST_SUBSCRIPTIONS"
        case setProperty = "SET_PROPERTY"
        case property = "GET_PROPERTY"
    }

    private mutating func answer(to bytes: [UInt8]) -> [UInt8] {
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
