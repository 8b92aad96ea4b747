internal import Primitives
internal import VenueWeb

/// What the venue knows about one client.
package struct AlpacaSession: Sendable {
    private(set) var endpoint: AlpacaEndpoint?
    private(set) var isMessagePack = false
    var isAuthenticated = false
    /// Key and secret of the headers; `nil`: the client sends a message with them.
    private(set) var headerKeys: (key: String, secret: String)?
    private(set) var symbols: [AlpacaChannel: Set<String>] = [:]
    /// The newest error that a command ordered and that it was sent.
    var orderedError = 0

    var streams: Int { symbols.values.reduce(0) { $0 + $1.count } }

    mutating func upgrade(_ request: VenueRequest) -> HTTPAnswer {
        guard let endpoint = AlpacaEndpoint(rawValue: request.path) else {
            return HTTPAnswer(status: 404)
        }
        guard let answer = HTTPAnswer.webSocket(request) else { return HTTPAnswer(status: 400) }
        self.endpoint = endpoint
        isMessagePack = request.headers["content-type"] == "application/msgpack"
        if let key = request.headers["apca-api-key-id"],
            let secret = request.headers["apca-api-secret-key"]
        {
            headerKeys = (key, secret)
        }
        return answer
    }

    /// Returns a client's message; `nil`: it is none.
    func read(_ bytes: [UInt8]) -> JSONValue? {
        if isMessagePack { return MessagePack.read(bytes) }
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            // The client gets error 400, and no more.
            return nil
        }
    }

    /// Returns the frame with these messages.
    func frame(_ messages: [AlpacaRendering]) -> WebSocketFrame {
        guard isMessagePack else {
            return .text(Array("[\(messages.map(\.json).joined(separator: ","))]".utf8))
        }
        var bytes: [UInt8] = []
        MessagePack.appendArray(messages.count, to: &bytes)
        for message in messages { bytes += message.messagePack }
        return .binary(bytes)
    }

    /// Whether a request about subscriptions names no symbol.
    static func isEmpty(_ request: JSONValue) -> Bool {
        request.members?.allSatisfy { $0.key == "action" || $0.value.array?.isEmpty == true }
            ?? false
    }

    /// Changes what is subscribed to. Returns what is wrong, and then nothing is changed.
    mutating func subscribe(
        _ request: JSONValue, isMore: Bool, limit: Int?
    ) -> AlpacaError? {
        guard let endpoint, let members = request.members else { return .syntax }
        var wanted = symbols
        for member in members where member.key != "action" {
            guard let channel = AlpacaChannel(rawValue: member.key),
                endpoint.open.contains(channel)
            else { return .wrongChannel }
            let names = member.value.array?.compactMap(\.string) ?? []
            guard let list = member.value.array, names.count == list.count,
                names.allSatisfy({ $0 == "*" || AlpacaSymbol($0) != nil })
            else { return .syntax }
            if isMore {
                wanted[channel, default: []].formUnion(names)
            } else {
                wanted[channel, default: []].subtract(names)
            }
        }
        let counted = wanted[.trades, default: []].union(wanted[.quotes, default: []])
        if isMore, let limit, counted.count > limit || counted.contains("*") {
            return .symbolLimit
        }
        if endpoint.channels.contains(.corrections) {
            wanted[.corrections] = wanted[.trades]
            wanted[.cancelErrors] = wanted[.trades]
        }
        symbols = wanted
        return nil
    }

    func isSubscribed(_ channel: AlpacaChannel, _ names: [String]) -> Bool {
        guard let wanted = symbols[channel] else { return false }
        return wanted.contains("*") || names.contains { wanted.contains($0) }
    }
}

/// A message in the forms in which clients get it.
struct AlpacaRendering: Sendable {
    let json: String
    let messagePack: [UInt8]

    init(_ message: WireMessage) {
        json = message.json
        messagePack = message.messagePack
    }
}
