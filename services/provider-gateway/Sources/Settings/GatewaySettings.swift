import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// The gateway's settings, from its configuration.
struct GatewaySettings: Sendable {
    /// The source's name on the tape.
    var source: SourceName
    /// The providers, and the instruments that they deliver.
    var delivery: Delivery
    /// For `/status`; `nil` when other providers deliver.
    var synthetic: SyntheticTicks.Settings?
    /// The files with lists of instruments; `nil` when there are none.
    var instrumentLists: InstrumentLists?
    /// When packets leave, and how many per second at most.
    var pace: PacketPace.Settings
    /// The most bytes of each stream of the tape.
    var streamBytesMax: Int64
    /// The least age of what may be purged.
    var keep: Duration
    /// Whether ticks are also sent to live listeners over core NATS.
    var isLive: Bool
    /// The folder of the spool; `nil` when there is no spool.
    var spoolFolder: String?
    var spoolBytesMax: Int
    /// What happens to ticks while there is little room, or a group is too far behind.
    var policies = BackpressureMachine.Policies()
    /// Ticks that are stamped further ahead of the time than this are refused.
    var futureNanosecondsMax: Int64
    /// The folder for dead letters while NATS accepts none; `nil` when there is none.
    var deadLetterFolder: String?
    /// The most bytes of the stream of dead letters, if it is made here.
    var deadLetterBytes: Int64
    /// How long taken ticks may take to get onto the tape when the service stops.
    var drainNanoseconds: Int64 = 7_000_000_000

    /// The source of its delayed data; `nil`: it is one itself, or its name would be too long.
    var delayedSource: SourceName? { source.isDelayed ? nil : source.delayed }

    static func keys(_ providers: [ProviderKind]) -> [ConfigurationKey] {
        var own: [ConfigurationKey] = []
        // All that load a past have the same range.
        for key in providers.flatMap(\.keys) where !own.contains(key) { own.append(key) }
        return keys + own
    }

    private static let keys: [ConfigurationKey] =
        ConfigurationKey.tape + ConfigurationKey.membership
        + ConfigurationKey.operations(port: 8_500) + ConfigurationKey.logging
        + ConfigurationKey.tracing
        + [
            ConfigurationKey(
                "GATEWAY_SOURCE", .name(bytesMax: SourceName.utf8CountMax, also: "-"),
                group: "Gateway",
                "Source: the last token of its subjects on the tape; empty: the provider's name."
            ),
            ConfigurationKey(
                "GATEWAY_PROVIDER", .list, default: "synthetic", group: "Gateway",
                "Where the ticks come from: synthetic, or providers in order of priority."),
            ConfigurationKey(
                "GATEWAY_LATENCY",
                .durationOr(["quick", "frugal"], .milliseconds(1)...Duration.seconds(1)),
                default: "quick", group: "Gateway",
                "Aim from receipt to acknowledgement: quick, frugal (100ms, few packets), a time."),
            ConfigurationKey(
                "GATEWAY_PACKETS_PER_SECOND", .integer(1...1_000_000),
                default: "\(PacketPace.Settings().packetsPerSecond)", group: "Gateway",
                "Packets per second at most; above it packets grow instead."),
            ConfigurationKey(
                "GATEWAY_PACKET_BYTES",
                .byteCount(PacketLimits.growthBytesMax...PacketLimits.growthBytesLargest),
                default: "128KiB", group: "Gateway",
                "How far a packet grows before the next one begins."),
            ConfigurationKey(
                "GATEWAY_KEEP", .duration(.zero...Duration.seconds(30 * 86_400)), default: "10m",
                group: "Gateway",
                "Least age of what may be purged from a tape that is three quarters full."),
            ConfigurationKey(
                "GATEWAY_LIVE", .flag, default: "true", group: "Gateway",
                "Whether ticks are told live over core NATS, one subject per symbol."),
            ConfigurationKey(
                "GATEWAY_TAPE_DURABLE", .flag, default: "true", group: "Gateway",
                "Whether acknowledged ticks are promised to be on disk; an alert watches that."
            ),
            ConfigurationKey(
                "GATEWAY_SPOOL", .text, group: "Gateway",
                "Folder for ticks that the tape does not take at the moment; empty: none."),
            ConfigurationKey(
                "GATEWAY_SPOOL_BYTES", .byteCount(1_048_576...Int.max), default: "1GiB",
                group: "Gateway", "Bytes that the spool takes at most."),
            ConfigurationKey(
                "GATEWAY_POLICY_TRADES", .choice(["block", "drop", "error"]), default: "block",
                group: "Gateway",
                "Trades when the tape is nearly full or nothing takes them: what is done."),
            ConfigurationKey(
                "GATEWAY_POLICY_QUOTES", .choice(["block", "conflate", "drop", "error"]),
                default: "block", group: "Gateway",
                "The same for quotes; conflate: one per symbol and second, and the last one."),
            ConfigurationKey(
                "GATEWAY_TICKS_PER_SECOND", .integer(0...TickCeiling.perSecondMax), default: "0",
                group: "Gateway",
                "Ceiling of the source; for ticks above it the policies act; 0: none."),
            ConfigurationKey(
                "GATEWAY_LAG_MAX", .integer(0...1_000_000_000_000), default: "2000000",
                group: "Gateway",
                "Unread ticks of the slowest group at which what can wait waits; 0: never."),
            ConfigurationKey(
                "GATEWAY_LAG_CONFLATE", .integer(0...1_000_000_000_000), default: "0",
                group: "Gateway",
                "Unread ticks of it at which a live feed's quotes are conflated; 0: never."),
            ConfigurationKey(
                "GATEWAY_FUTURE_MAX", .duration(.zero...Duration.seconds(86_400)), default: "2s",
                group: "Gateway",
                "Ticks stamped further ahead of this host's clock become dead letters."),
            ConfigurationKey(
                "GATEWAY_DEAD_LETTERS", .text, group: "Gateway",
                "Folder for dead letters while NATS takes none; empty: then they are lost."),
            ConfigurationKey(
                "GATEWAY_DEAD_LETTERS_BYTES", .byteCount(1_048_576...Int.max), default: "64MiB",
                group: "Gateway",
                "Bytes that the stream of dead letters holds at most, if it is made here."),
            ConfigurationKey(
                "GATEWAY_CHANNEL_RECORDS", .integer(1_024...16_777_216),
                default: "\(ProviderLimits.channelRecordsMax)", group: "Gateway",
                "Records of each provider that wait for the gateway at most."),
            ConfigurationKey(
                "GATEWAY_PROVIDER_STOP", .duration(.milliseconds(100)...Duration.seconds(6)),
                default: "3s", group: "Gateway",
                "How long a provider may take to end its subscriptions when the service stops."),
            ConfigurationKey(
                "GATEWAY_INSTRUMENTS", .list, group: "Gateway",
                "Files that list what providers are asked for; read again on SIGHUP."),
            ConfigurationKey(
                "GATEWAY_USER_AGENT", .text, group: "Gateway",
                "What providers call themselves to services of the web; empty: tapeline/VERSION."),
        ] + FeedTrial.keys

    /// Returns one rule per possible mistake, so that all mistakes are reported in one message.
    static func rules(_ providers: [ProviderKind]) -> [ConfigurationRule] {
        [
            .of(reads: ["GATEWAY_SOURCE", "GATEWAY_PROVIDER"]) { _ = try source($0) },
            .of(reads: ["GATEWAY_PROVIDER"]) { _ = try named($0, providers) },
            .of(reads: ["GATEWAY_SOURCE", "GATEWAY_PROVIDER"]) {
                try checkDelayed($0, providers)
            },
            .of(reads: ["GATEWAY_SOURCE", "GATEWAY_PROVIDER"]) {
                try checkHistory($0, providers)
            },
            .of { try checkInstruments($0, providers) },
            UserAgent.rule,
        ] + providers.flatMap { GatewayProviders.rules(of: $0) }
    }

    init(
        _ configuration: Configuration,
        providers kinds: [ProviderKind] = GatewayProviders.ofThisProgram,
        instruments: [Instrument]? = nil
    ) throws(SettingsError) {
        source = try Self.source(configuration)
        let providers = try Self.named(configuration, kinds)
        instrumentLists = try Self.lists(configuration, providers)
        let own = try providers.first?.instruments?(configuration)
        delivery = Delivery(
            kinds: providers, channelRecords: configuration.integer("GATEWAY_CHANNEL_RECORDS"),
            stopTimeout: configuration.duration("GATEWAY_PROVIDER_STOP"),
            registry: InstrumentRegistry(
                try Self.instruments(instrumentLists, instead: instruments ?? own)))
        if providers.contains(where: { $0.name == SyntheticProvider.providerName }) {
            synthetic = try SyntheticTicks.Settings(configuration)
        }
        futureNanosecondsMax = configuration.duration("GATEWAY_FUTURE_MAX").clampedNanoseconds
        let letters = configuration.optionalText("GATEWAY_DEAD_LETTERS") ?? ""
        deadLetterFolder = letters.isEmpty ? nil : letters
        deadLetterBytes = Int64(configuration.integer("GATEWAY_DEAD_LETTERS_BYTES"))
        pace = PacketPace.Settings(
            aim: Self.aim(configuration),
            packetsPerSecond: configuration.integer("GATEWAY_PACKETS_PER_SECOND"),
            growth: PacketGrowth(bytesMax: configuration.integer("GATEWAY_PACKET_BYTES")))
        isLive = configuration.flag("GATEWAY_LIVE")
        let folder = configuration.optionalText("GATEWAY_SPOOL") ?? ""
        spoolFolder = folder.isEmpty ? nil : folder
        policies = BackpressureMachine.Policies(
            trades: BackpressurePolicy(rawValue: configuration.text("GATEWAY_POLICY_TRADES"))
                ?? .block,
            quotes: BackpressurePolicy(rawValue: configuration.text("GATEWAY_POLICY_QUOTES"))
                ?? .block,
            ticksPerSecond: configuration.integer("GATEWAY_TICKS_PER_SECOND"),
            lagMax: configuration.integer("GATEWAY_LAG_MAX"),
            lagConflate: configuration.integer("GATEWAY_LAG_CONFLATE"))
        spoolBytesMax = configuration.integer("GATEWAY_SPOOL_BYTES")
        streamBytesMax = Int64(configuration.integer("MDS_STREAM_BYTES"))
        keep = configuration.duration("GATEWAY_KEEP")
    }

    private static func aim(_ configuration: Configuration) -> PacketPace.Aim {
        switch configuration.durationOrWord("GATEWAY_LATENCY") {
        case .duration(let duration): .collect(duration.clampedNanoseconds)
        case .word(let word): word == "frugal" ? .frugal : .quick
        }
    }

    /// Returns the name that the settings give the source, as text. With several providers it is
    /// that of the first one.
    private static func sourceText(_ configuration: Configuration) -> String {
        let provider = configuration.list("GATEWAY_PROVIDER").first ?? "synthetic"
        return configuration.optionalText("GATEWAY_SOURCE") ?? provider
    }

    private static func source(_ configuration: Configuration) throws(SettingsError) -> SourceName {
        let name = sourceText(configuration)
        guard let source = SourceName(name) else {
            throw SettingsError(
                configuration.optionalText("GATEWAY_SOURCE") == nil
                    ? "GATEWAY_SOURCE: \(name), as GATEWAY_PROVIDER has it, is no name of a source "
                        + "(at most \(SourceName.utf8CountMax) of a-z 0-9 -): set one"
                    : "GATEWAY_SOURCE: \(name) has other characters than a-z 0-9 -")
        }
        guard ![.operator, .universe, .manual].contains(source) else {
            throw SettingsError(
                "GATEWAY_SOURCE: \(name) is the name of what Tapeline itself puts on the tape "
                    + "(operator, universe, manual); choose another one")
        }
        guard !source.isDelayed else {
            throw SettingsError(
                "GATEWAY_SOURCE: \(name) ends with \(SourceName.delayedSuffix), which names the "
                    + "delayed data of another source; choose another one")
        }
        return source
    }

    /// Checks that the source of delayed data can have a name, if the settings ask for those.
    private static func checkDelayed(
        _ configuration: Configuration, _ kinds: [ProviderKind]
    ) throws(SettingsError) {
        let names = configuration.list("GATEWAY_PROVIDER")
        // Other rules report a name that is none.
        guard let source = SourceName(sourceText(configuration)), source.delayed == nil,
            let kind = kinds.first(where: {
                names.contains($0.name) && $0.takesDelayed?(configuration) ?? false
            })
        else { return }
        let most = SourceName.utf8CountMax - SourceName.delayedSuffix.utf8.count
        throw SettingsError(
            "GATEWAY_SOURCE: \(source) is too long for its source of delayed data "
                + "(\(source)\(SourceName.delayedSuffix)): \(most) characters at most, or no "
                + "delayed data of \(kind.name)")
    }

    /// Checks that a past, and nothing else, gets into a source that is named for it: what is
    /// derived from several sources leaves such a source out.
    private static func checkHistory(
        _ configuration: Configuration, _ kinds: [ProviderKind]
    ) throws(SettingsError) {
        let names = configuration.list("GATEWAY_PROVIDER")
        guard let source = SourceName(sourceText(configuration)) else { return }
        let named = kinds.filter { names.contains($0.name) }
        let loads = named.contains { $0.historyPlan != nil }
        // A recording may be one of a past.
        let replays = named.contains { $0.isRecorded && $0.historyPlan == nil }
        guard source.isHistory != loads, !(source.isHistory && replays) else { return }
        throw SettingsError(
            loads
                ? "GATEWAY_SOURCE: \(source) has to end with \(SourceName.historySuffix), or "
                    + "with that and a number: a provider's past is loaded into it"
                : "GATEWAY_SOURCE: \(source) is the name of a source that a provider's past is "
                    + "loaded into; choose another one")
    }

    static func named(
        _ configuration: Configuration, _ kinds: [ProviderKind]
    ) throws(SettingsError) -> [ProviderKind] {
        let names = configuration.list("GATEWAY_PROVIDER")
        let known = kinds.map(\.name)
        var found: [ProviderKind] = []
        for name in names {
            guard let kind = kinds.first(where: { $0.name == name }) else {
                let near = NearestName.of(name, in: known).map { "; did you mean \($0)?" } ?? ""
                throw SettingsError(
                    "GATEWAY_PROVIDER: \(name) is none of \(known.joined(separator: ", "))\(near)")
            }
            if found.contains(where: { $0.name == name }) {
                throw SettingsError("GATEWAY_PROVIDER: \(name) is there twice")
            }
            found.append(kind)
        }
        guard (1...ProviderLimits.providersMax).contains(found.count) else {
            throw SettingsError(
                "GATEWAY_PROVIDER: 1 to \(ProviderLimits.providersMax) providers are needed, of "
                    + known.joined(separator: ", "))
        }
        if found.count > 1,
            let alone = found.first(where: { $0.instruments != nil || $0.historyPlan != nil })
        {
            throw SettingsError("GATEWAY_PROVIDER: \(alone.name) stands alone")
        }
        return found
    }
}
