public import MarketModel
public import ServiceRuntime

/// A kind of provider that a gateway can be told to use, by its name in `GATEWAY_PROVIDER`.
///
/// A program that has another provider passes its kind to the gateway that it runs. The gateway
/// then checks the provider's settings with all others, and shows them in `--help`.
public struct ProviderKind: Sendable {
    /// What a provider gets from the gateway when it is made.
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

    /// The longest name in bytes. It bounds the definitions of symbols on the tape, which contain
    /// the name.
    public static let nameBytesMax = 64

    /// The name in `GATEWAY_PROVIDER`, on the tape and in the database.
    public var name: String
    /// The keys of the provider's own settings.
    public var keys: [ConfigurationKey]
    /// The rules for the provider's own keys. They are checked when `GATEWAY_PROVIDER` names the
    /// provider, and always when it has `instruments`.
    public var rules: [ConfigurationRule]
    /// Whether the gateway refuses to start without a list of instruments. A recording has its
    /// instruments itself.
    public var needsInstruments: Bool
    /// The same as `isRecorded` of its `ProviderSource`, known before one is made. Gaps of a
    /// recording are not filled.
    public var isRecorded: Bool
    /// Returns the instruments that the provider's settings name, without any list. Such a provider
    /// is the only one of its source, its instruments do not change while it runs, and its gaps are
    /// not filled. `nil`: the provider gets a list, or learns its instruments from the data.
    public var instruments: Instruments?
    /// Whether a provider with `instruments` delivers those of its order, and follows when people
    /// change these.
    package var hasOpenList = false
    /// Whether it continues after the last trade of each instrument on the tape, or the last bar
    /// with an id.
    package var continuesByIDs = false
    /// Whether the ids of its trades follow each other within an instrument, so that those between
    /// two show what is missing.
    package var hasDenseIDs = false
    /// Whether it publishes values that have changed, so that it continues after the last ones on
    /// the tape.
    package var continuesByValues = false
    /// What a load of its past takes; `nil`: it loads none.
    package var historyPlan: HistoryPlanning?
    /// Returns whether its settings ask for delayed data in any case, so that the source of these
    /// has to have a name; `nil`: it never has delayed data.
    public var takesDelayed: (@Sendable (Configuration) -> Bool)?
    /// Makes a provider for one tenure, or for one attempt to start it. The provider connects to
    /// nothing before `start`.
    public var make: @Sendable (Context) throws -> any ProviderSource

    /// Reads the provider's settings into instruments.
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

    /// Returns the same kind with a provider whose list of instruments people may change.
    package func withOpenList() -> ProviderKind {
        var kind = self
        kind.hasOpenList = true
        return kind
    }

    /// Returns the same kind with a provider that continues after the last id of each instrument.
    package func continuingByIDs() -> ProviderKind {
        var kind = self
        kind.continuesByIDs = true
        kind.hasDenseIDs = true
        return kind
    }

    /// Returns the same kind with a provider that continues after the last trade of each
    /// instrument. Its ids only name a trade: those between two say nothing.
    package func continuingAfterLast() -> ProviderKind {
        var kind = self
        kind.continuesByIDs = true
        return kind
    }

    /// Returns the same kind with a provider that continues after the last values of each
    /// instrument.
    package func continuingByValues() -> ProviderKind {
        var kind = self
        kind.continuesByValues = true
        return kind
    }

    /// Returns the same kind with a question for `takesDelayed`.
    package func takingDelayed(
        _ question: @escaping @Sendable (Configuration) -> Bool
    ) -> ProviderKind {
        var kind = self
        kind.takesDelayed = question
        return kind
    }
}
