/// The limits that all venues on the web have, and what happens beyond them.
package enum WebLimits {
    /// Connections at the same time. A further one is closed immediately.
    package static let connectionsMax = 64
    /// Bytes queued for a client that does not read. Beyond it the connection is closed.
    package static let outgoingBytesMax = 16 << 20
    /// Bytes of a request's head, and of a message of a client. A longer one ends the connection.
    package static let requestBytesMax = 64 << 10
    /// After a jump of the clock longer than this, earlier events are only in the history.
    package static let catchUpSeconds: Int64 = 10
    /// How long a ping may be without a pong before the connection is closed.
    package static let pongSeconds: Int64 = 60
    /// Seconds of a command. A longer time is refused.
    package static let commandSecondsMax = 86_400
    /// Bytes of the commands `garbage` and `oversized`. More are refused.
    package static let faultBytesMax = 8 << 20
    /// Records or requests of a command that counts. More are refused.
    package static let faultCountMax = 1_000_000
}
