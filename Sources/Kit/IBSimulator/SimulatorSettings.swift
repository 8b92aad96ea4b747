/// The configuration of a simulated server.
public struct SimulatorSettings: Sendable {
    /// The limits of one client.
    public struct Limits: Equatable, Sendable {
        /// Market data lines.
        public var lines = 100
        public var tickByTickLines = 5
        public var depthLines = 3
        /// Clients at the same time. A further one is refused like a client id in use.
        public var clientsMax = 32
        /// Bytes queued for a client that does not read. With more it is disconnected.
        public var outgoingBytes = SimulatorLimits.outgoingBytesMax
        /// False to allow any number of requests.
        public var watchesPacing = true

        public init() {}
    }

    /// The highest version that the server supports.
    public var serverVersion: Int32 = MessageWriter.versions.upperBound
    public var accounts = ["DU000001"]
    public var limits = Limits()
    public var keepsTruth = true
    public var keepsMarketLog = false

    public init() {}
}
