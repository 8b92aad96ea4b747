public import ServiceRuntime

/// A kind of provider that a gateway can use, by its name in `GATEWAY_PROVIDER`.
///
/// To use another provider, add its kind to the list with which `provider-gateway` is built. Its
/// settings are then listed with all others, are checked with them, and appear in `--help`.
public struct ProviderKind: Sendable {
    public struct Context: Sendable {
        public var configuration: Configuration
        public var telemetry: TelemetryHub
        /// The watch to which a provider's threads send their beats.
        public var threads: ThreadWatch

        public init(
            configuration: Configuration, telemetry: TelemetryHub, threads: ThreadWatch
        ) {
            self.configuration = configuration
            self.telemetry = telemetry
            self.threads = threads
        }
    }

    /// The longest name, which the definitions of symbols contain.
    public static let nameBytesMax = 64

    public var name: String
    public var keys: [ConfigurationKey]
    /// The rules of its keys. They are checked only when the provider is configured.
    public var rules: [ConfigurationRule]
    /// True when it has to be given instruments. A recording contains them.
    public var needsInstruments: Bool
    /// The same as in its `ProviderSource`: gaps of a recording are not filled.
    public var isRecorded: Bool
    /// Makes the provider, which does not connect yet.
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
