public import ServiceRuntime

/// A kind of provider that a gateway can be told to use, by its name in `GATEWAY_PROVIDER`.
///
/// A program that has another provider passes its kind to the gateway that it runs. The gateway
/// then checks the provider's settings with all others, and shows them in `--help`.
public struct ProviderKind: Sendable {
    public struct Context: Sendable {
        public var configuration: Configuration
        public var telemetry: TelemetryHub
        /// Where a provider's threads give their signs of life.
        public var threads: ThreadWatch

        public init(
            configuration: Configuration, telemetry: TelemetryHub, threads: ThreadWatch
        ) {
            self.configuration = configuration
            self.telemetry = telemetry
            self.threads = threads
        }
    }

    /// Of a name, which stands in the definitions of symbols.
    public static let nameBytesMax = 64

    public var name: String
    public var keys: [ConfigurationKey]
    /// Of its own keys; only asked when the provider is named.
    public var rules: [ConfigurationRule]
    /// It has to be told what to deliver; a recording knows by itself.
    public var needsInstruments: Bool
    /// As its `ProviderSource` says: what is missing of a recording is not filled in.
    public var isRecorded: Bool
    /// Connects to nothing yet.
    public var make: @Sendable (Context) throws -> any ProviderSource

    public init(
        name: String, keys: [ConfigurationKey] = [], rules: [ConfigurationRule] = [],
        needsInstruments: Bool = true, isRecorded: Bool = false,
        make: @escaping @Sendable (Context) throws -> any ProviderSource
    ) {
        precondition((1...Self.nameBytesMax).contains(name.utf8.count), "\(name): no such name")
        self.name = name
        self.keys = keys
        self.rules = rules
        self.needsInstruments = needsInstruments
        self.isRecorded = isRecorded
        self.make = make
    }
}
