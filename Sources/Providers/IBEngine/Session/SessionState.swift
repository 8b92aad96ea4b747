/// The state of the connection to the platform, for logs, metrics and the status page.
package enum SessionState: String, Hashable, Sendable, CaseIterable {
    /// There is no socket. The next attempt has a time.
    case closed
    /// The socket is being opened, or the session has not begun yet.
    case connecting
    /// Requests are answered, and none of the problems below is known.
    case ready
    /// The socket is open, but the platform has lost the vendor (1100).
    case serverLost = "server-lost"
    /// The platform is connected, but a farm of market data is not (2103).
    case farmDown = "farm-down"
    /// The connection is in order, but a feed was silent in trading hours and does not deliver yet.
    case silent
    /// The same user watches the market somewhere else (10197).
    case competing
}

/// An action that the session machine asks for.
package enum SessionAction: Hashable, Sendable {
    /// Nothing is due.
    case none
    /// Open a connection now.
    case connect
    /// Close the connection, for this reason.
    case close(String)
    /// Ask the server for its time.
    case heartbeat
}
