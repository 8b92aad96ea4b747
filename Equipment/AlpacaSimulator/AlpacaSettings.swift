package import VenueWeb

/// The settings of the simulated Alpaca.
package struct AlpacaSettings: Equatable, Sendable {
    package var web = WebSettings()
    package var key = "test-key"
    package var secret = "test-secret"
    /// How long a session that was not ended cleanly counts as connected.
    package var holdSeconds: Int64 = 90
    /// Sessions of one endpoint at the same time. A further one gets error 406.
    package var sessionsMax = 1
    /// Symbols that trades and quotes may be subscribed of; `nil`: any number. Beyond it a client
    /// gets error 405.
    package var symbolLimit: Int?
    /// The account may use the feed `sip`. Otherwise it gets error 409.
    package var hasSIP = true

    package init() {}
}
