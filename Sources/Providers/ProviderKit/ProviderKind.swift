public import MarketModel
public import ServiceRuntime

/// A kind of provider that a gateway can be told to use, by its name in `GATEWAY_PROVIDER`.
///
/// A program that has another provider passes its kind to the gateway that it runs. The gateway
/// then checks the provider's settings with all others, and shows them in `--help`.
public struct ProviderKind: Sendable {
    /// What a provider is made of.
    public struct Context: Sendable {
        public var configuration: Configuration
        public var telemetry: TelemetryHub
        /// The watch to which a provider's threads report that they are alive.
        public var threads: ThreadWatch

        public init(
            configuration: Configuration, telemetry: TelemetryHub, threads: ThreadWatch
        ) {
            self.configuration = configuration
            self.telemetry = telemetry
            self.threads = threads
        }
    }

    /// The longest name in bytes. The definitions of symbols contain it.
    public static let nameBytesMax = 64

    /// As in `GATEWAY_PROVIDER`.
    public var name: String
    /// The provider's own settings.
    public var keys: [ConfigurationKey]
    /// The rules for the provider's own keys. They are checked only when the provider is named, or
    /// has `instruments`.
    public var rules: [ConfigurationRule]
    /// The provider needs a list of instruments. A recording knows its instruments by itself.
    public var needsInstruments: Bool
    /// The same as in its `ProviderSource`: gaps of a recording are not filled.
    public var isRecorded: Bool
    /// The instruments that its settings give it, without any list. Such a provider has the source
    /// for itself, its instruments do not change while it runs, and its gaps are not filled. `nil`:
    /// the provider gets a list, or learns its instruments.
    public var instruments: Instruments?
    /// Makes the provider, which connects to nothing yet.
    public var make: @Sendable (Context) throws -> any ProviderSource

    public typealias Instruments =
        @Sendable (Configuration) throws(SettingsError) -> [Instrument]

    public init(
        name: String, keys: [ConfigurationKey] = [], rules: [ConfigurationRule] = [],
        needsInstruments: Bool = true, isRecorded: Bool = false, instruments: Instruments? = nil,
        make: @escaping @Sendable (Context) throws -> any ProviderSource
    ) {
        precondition((1...Self.nameBytesMax).contains(name.utf8.count), "\(name): no such name")
        self.name = name
        self.keys = keys
        self.rules = rules
        self.needsInstruments = needsInstruments
        self.isRecorded = isRecorded
        self.instruments = instruments
        self.make = make
    }
}
