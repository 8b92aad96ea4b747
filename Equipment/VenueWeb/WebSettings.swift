/// The settings that all venues on the web have. Spans are seconds.
package struct WebSettings: Equatable, Sendable {
    /// After this time a connection is closed.
    package var lifetimeSeconds: Int64 = 86_400
    /// So often the venue sends a ping.
    package var pingSeconds: Int64 = 20
    /// Frames that a client may send in a second, pings and pongs included. Beyond it the
    /// connection is closed with 1008. `nil`: any number.
    package var framesPerSecondMax: Int?
    package var keepsTruth = false
    package var keepsMarketLog = false

    package init() {}
}
