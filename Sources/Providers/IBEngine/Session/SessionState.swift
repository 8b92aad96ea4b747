/// The state of the connection to the provider. Each has its own action and its own name in logs.
package enum SessionState: String, Hashable, Sendable, CaseIterable {
    /// There is no socket. The next attempt has a time.
    case closed
    case connecting
    case ready
    /// The socket is open, but the platform has lost the vendor (1100).
    case serverLost = "server-lost"
    /// The platform is connected, but a farm of market data is not (2103).
    case farmDown = "farm-down"
    /// The connection is in order, but ticks do not come in trading hours.
    case silent
    /// The same user watches the market somewhere else (10197).
    case competing
}

/// An action that the session machine asks for.
package enum SessionAction: Hashable, Sendable {
    case none
    /// Open a connection now.
    case connect
    /// The connection is of no use any more.
    case close(String)
    /// Ask the server for its time.
    case heartbeat
}
