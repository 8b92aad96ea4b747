/// What happened on a connection.
package enum WebSocketEvent: Equatable, Sendable {
    case opened
    /// A whole message of text (or of bytes), whose bytes come with the event.
    case message(isText: Bool)
    /// The connection is no more; nothing follows on it.
    case ended(WebSocketError)
}

/// Names a connection of one client.
package struct WebSocketID: Hashable, Sendable {
    let number: UInt
}
