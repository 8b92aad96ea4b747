/// The settings of the simulated exchange. Spans are seconds.
package struct ExchangeSettings: Equatable, Sendable {
    /// After this time a connection is closed, as the exchange does after 24 hours.
    package var lifetimeSeconds: Int64 = 86_400
    /// So often the exchange sends a ping.
    package var pingSeconds: Int64 = 20
    package var keepsTruth = false
    package var keepsMarketLog = false

    package init() {}
}
