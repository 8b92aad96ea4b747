/// The configuration of a simulated server.
package struct SimulatorSettings: Sendable {
    /// The limits of one client.
    package struct Limits: Equatable, Sendable {
        /// Market data lines.
        package var lines = 100
        package var tickByTickLines = 5
        package var depthLines = 3
        /// Clients at the same time. A further one is refused like a client id in use.
        package var clientsMax = 32
        /// Bytes queued for a client that does not read. With more it is disconnected.
        package var outgoingBytes = SimulatorLimits.outgoingBytesMax
        /// False to allow any number of requests.
        package var watchesPacing = true

        package init() {}
    }

    /// The highest version that the server supports.
    package var serverVersion: Int32 = MessageWriter.versions.upperBound
    package var accounts = ["DU000001"]
    package var limits = Limits()
    package var keepsTruth = true
    package var keepsMarketLog = false

    package init() {}
}
