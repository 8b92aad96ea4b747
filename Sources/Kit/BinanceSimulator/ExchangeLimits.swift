/// The limits of the simulator, and what happens beyond them.
package enum ExchangeLimits {
    /// Connections at the same time. A further one is closed immediately.
    package static let connectionsMax = 64
    /// Bytes queued for a client that does not read. Beyond it the connection is closed.
    package static let outgoingBytesMax = 16 << 20
    /// Bytes of a request's head, and of a message of a client. A longer one ends the connection.
    package static let requestBytesMax = 64 << 10
    /// Streams of one connection, as the exchange has it. A request for more is refused.
    package static let streamsMax = 1_024
    /// Frames that a client may send in a second, pings and pongs included, as the exchange has it.
    /// Beyond it the connection is closed with 1008.
    package static let framesPerSecond = 5
    /// Symbols of a market; more are refused at the start.
    package static let symbolsMax = 1_000
    /// Characters of a symbol.
    package static let symbolBytesMax = 20
    /// Trades per second over all symbols. A higher rate is refused.
    package static let rateMax = 200_000
    /// After a jump of the clock longer than this, earlier trades are only in the history.
    package static let catchUpSeconds: Int64 = 10
    /// Trades in one answer. A request for more gets this many.
    package static let tradesPerAnswerMax = 1_000
    /// How long a ping may be without a pong before the connection is closed.
    package static let pongSeconds: Int64 = 60
    /// Seconds of a command.
    package static let commandSecondsMax = 86_400
    /// Bytes of the commands `garbage` and `oversized`.
    package static let faultBytesMax = 8 << 20
    /// Trades or requests of a command that counts.
    package static let faultCountMax = 1_000_000
}
