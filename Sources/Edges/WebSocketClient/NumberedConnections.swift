/// The connections of a client by the numbers that their owner gives them.
package struct NumberedConnections {
    private let client: WebSocketClient
    private var ids: [UInt32: WebSocketID] = [:]
    private var numbers: [WebSocketID: UInt32] = [:]

    package init(_ client: WebSocketClient) { self.client = client }

    /// Begins a connection, at an address in digits.
    package mutating func open(
        _ url: WebSocketURL, at address: String? = nil, as number: UInt32
    ) throws(WebSocketError) {
        let id = try client.open(url, at: address)
        ids[number] = id
        numbers[id] = number
    }

    /// Closes a connection, of which nothing is reported any more.
    package mutating func close(_ number: UInt32) {
        if let id = ids[number] { client.close(id) }
        remove(number)
    }

    /// Returns false if the text could not be sent. The connection is closed then.
    package mutating func send(_ text: String, on number: UInt32) -> Bool {
        guard let id = ids[number], !client.send(text, on: id) else { return true }
        close(number)
        return false
    }

    /// Gives `body` what has arrived, in its order.
    package mutating func take(_ body: (UInt32, WebSocketEvent, RawSpan) -> Void) {
        client.take { id, event, bytes in
            guard let number = numbers[id] else { return }
            if case .ended = event { remove(number) }
            body(number, event, bytes)
        }
    }

    /// How long an end waits for the servers' answers.
    private static let closeLimit = Duration.milliseconds(400)

    /// Closes all connections, in order.
    package mutating func closeAll() {
        client.closeAll(within: Self.closeLimit)
        ids = [:]
        numbers = [:]
    }

    private mutating func remove(_ number: UInt32) {
        if let id = ids.removeValue(forKey: number) { numbers[id] = nil }
    }
}
