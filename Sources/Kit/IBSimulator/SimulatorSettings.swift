/// How a simulated server is.
public struct SimulatorSettings: Sendable {
    /// What one client may have of everything.
    public struct Limits: Equatable, Sendable {
        /// Market data lines.
        public var lines = 100
        public var tickByTickLines = 5
        public var depthLines = 3
        /// Clients at once; another one is refused like a client id in use.
        public var clientsMax = 32
        /// Bytes that wait for a client that does not read; with more it is closed.
        public var outgoingBytes = SimulatorLimits.outgoingBytesMax
        /// False: any number of requests in any time.
        public var watchesPacing = true

        public init() {}
    }

    /// The highest version that it speaks.
    public var serverVersion: Int32 = MessageWriter.versions.upperBound
    public var accounts = ["DU000001"]
    public var limits = Limits()
    public var keepsTruth = true
    public var keepsMarketLog = false

    public init() {}
}
