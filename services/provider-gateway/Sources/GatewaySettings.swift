import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// What the gateway does, from its configuration.
struct GatewaySettings: Sendable {
    var source: SourceName
    var synthetic: SyntheticProvider.Settings
    /// Nil: the source is the synthetic market.
    var delivery: Delivery?
    /// Nil: what providers are asked for is in no file.
    var instrumentLists: InstrumentLists?
    var packetsPerSecond: Int
    var streamBytesMax: Int64
    /// Nothing younger is purged.
    var keep: Duration
    var isLive: Bool
    /// Nil: none.
    var spoolFolder: String?
    var spoolBytesMax: Int
    var policies = BackpressureMachine.Policies()
    /// Ticks that are stamped further ahead of the time are refused.
    var futureNanosecondsMax: Int64
    /// Nil: none.
    var deadLetterFolder: String?
    var deadLetterBytes: Int64
    /// How long taken ticks may take to get onto the tape when the service stops.
    var drainNanoseconds: Int64 = 7_000_000_000

    static func keys(_ providers: [ProviderKind]) -> [ConfigurationKey] {
        keys + providers.flatMap(\.keys)
    }

    private static let keys: [ConfigurationKey] =
        ConfigurationKey.tape + ConfigurationKey.membership
        + ConfigurationKey.operations(port: 8_500) + ConfigurationKey.logging
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
                "GATEWAY_PACKETS_PER_SECOND", .integer(1...1_000_000), default: "400",
                group: "Gateway",
                "Packets per second at most; above it packets grow instead."),
            ConfigurationKey(
                "GATEWAY_KEEP", .duration(.zero...Duration.seconds(30 * 86_400)), default: "10m",
                group: "Gateway",
                "Least age of what may be purged from a tape that is three quarters full."),
            ConfigurationKey(
                "GATEWAY_LIVE", .flag, default: "true", group: "Gateway",
                "Whether ticks are told live over core NATS, one subject per symbol."),
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
                "GATEWAY_INSTRUMENTS", .list, group: "Gateway",
                "Files that list what providers are asked for; read again on SIGHUP."),
            ConfigurationKey(
                "SYNTHETIC_SEED", .integer(0...Int.max), default: "1", group: "Synthetic provider",
                "The seed from which all ticks follow."),
            ConfigurationKey(
                "SYNTHETIC_SYMBOLS", .list,
                default: "AAPL,AMZN,BRK.B,GOOG,JPM,META,MSFT,NVDA,SPY,TSLA,XLE,XLF,XLK,XLV",
                group: "Synthetic provider", "Symbols, separated by commas."),
            ConfigurationKey(
                "SYNTHETIC_RATE", .integer(SyntheticMarket.rateRange), default: "1000",
                group: "Synthetic provider", "Ticks per second over all symbols."),
            ConfigurationKey(
                "SYNTHETIC_TICKS", .integer(0...Int.max), default: "0",
                group: "Synthetic provider", "Ticks in all, then it is idle; 0: for ever."),
            ConfigurationKey(
                "SYNTHETIC_PACE", .choice(["realtime", "full"]), default: "realtime",
                group: "Synthetic provider",
                "realtime: each tick at its time; full: as fast as the tape takes them."),
            ConfigurationKey(
                "SYNTHETIC_BACKLOG", .duration(.zero...Duration.seconds(86_400)), default: "0s",
                group: "Synthetic provider",
                "How long before the first start the market began; comes at full speed."),
            ConfigurationKey(
                "SYNTHETIC_MISSED", .choice(["again", "lost"]), default: "again",
                group: "Synthetic provider",
                "Ticks due while no gateway was there: made again, or lost as in a real market."),
            ConfigurationKey(
                "SYNTHETIC_AHEAD", .duration(.zero...Duration.seconds(86_400)), default: "0s",
                group: "Synthetic provider",
                "A fault to try out: how far ahead of the time ticks are stamped."),
            ConfigurationKey(
                "SYNTHETIC_AHEAD_SYMBOLS", .list, group: "Synthetic provider",
                "Symbols whose ticks SYNTHETIC_AHEAD is for; empty: all."),
        ]

    /// At full pace the market ends now: it must not have begun before there were times.
    static let spanNanosecondsMax: Int64 = 50 * 365 * 86_400 * 1_000_000_000

    /// One per thing that may be wrong, so that all of it is told at once.
    static func rules(_ providers: [ProviderKind]) -> [ConfigurationRule] {
        rules
            + [
                .of(reads: ["GATEWAY_PROVIDER"]) { _ = try named($0, providers) },
                .of { try checkInstruments($0, providers) },
            ]
            + providers.flatMap { GatewayProviders.rules(of: $0) }
    }

    private static let rules: [ConfigurationRule] = [
        .of(reads: ["GATEWAY_POLICY_QUOTES", "GATEWAY_PROVIDER", "SYNTHETIC_MISSED"]) {
            try checkConflation($0)
        },
        .of(reads: ["GATEWAY_SOURCE", "GATEWAY_PROVIDER"]) { _ = try source($0) },
        .of(reads: ["SYNTHETIC_SYMBOLS"]) { _ = try symbols($0) },
        .of(reads: ["SYNTHETIC_PACE", "SYNTHETIC_TICKS", "SYNTHETIC_RATE"]) { _ = try pace($0) },
        .of(reads: ["SYNTHETIC_MISSED", "SYNTHETIC_PACE"]) { _ = try missed($0) },
        .of { _ = try ahead($0) },
    ]

    init(
        _ configuration: Configuration,
        providers kinds: [ProviderKind] = GatewayProviders.ofThisProgram,
        instruments: [Instrument]? = nil
    ) throws(SettingsError) {
        source = try Self.source(configuration)
        let providers = try Self.named(configuration, kinds)
        if !providers.isEmpty {
            instrumentLists = try Self.lists(configuration, providers)
            delivery = Delivery(
                kinds: providers,
                book: InstrumentBook(try Self.instruments(instrumentLists, instead: instruments)))
        }
        let total = configuration.integer("SYNTHETIC_TICKS")
        synthetic = SyntheticProvider.Settings(
            market: SyntheticMarket.Settings(
                seed: UInt64(configuration.integer("SYNTHETIC_SEED")),
                symbols: try Self.symbols(configuration),
                rate: configuration.integer("SYNTHETIC_RATE")),
            pace: try Self.pace(configuration), total: total == 0 ? nil : UInt64(total),
            backlogNanoseconds: configuration.duration("SYNTHETIC_BACKLOG").clampedNanoseconds,
            missed: try Self.missed(configuration), ahead: try Self.ahead(configuration))
        futureNanosecondsMax = configuration.duration("GATEWAY_FUTURE_MAX").clampedNanoseconds
        let letters = configuration.optionalText("GATEWAY_DEAD_LETTERS") ?? ""
        deadLetterFolder = letters.isEmpty ? nil : letters
        deadLetterBytes = Int64(configuration.integer("GATEWAY_DEAD_LETTERS_BYTES"))
        packetsPerSecond = configuration.integer("GATEWAY_PACKETS_PER_SECOND")
        isLive = configuration.flag("GATEWAY_LIVE")
        let folder = configuration.optionalText("GATEWAY_SPOOL") ?? ""
        spoolFolder = folder.isEmpty ? nil : folder
        policies = BackpressureMachine.Policies(
            trades: BackpressurePolicy(rawValue: configuration.text("GATEWAY_POLICY_TRADES"))
                ?? .block,
            quotes: BackpressurePolicy(rawValue: configuration.text("GATEWAY_POLICY_QUOTES"))
                ?? .block)
        spoolBytesMax = configuration.integer("GATEWAY_SPOOL_BYTES")
        streamBytesMax = Int64(configuration.integer("MDS_STREAM_BYTES"))
        keep = configuration.duration("GATEWAY_KEEP")
    }

    private static func source(_ configuration: Configuration) throws(SettingsError) -> SourceName {
        // Of several providers the first one's name: it delivers what it can.
        let provider = configuration.list("GATEWAY_PROVIDER").first ?? "synthetic"
        let name = configuration.optionalText("GATEWAY_SOURCE") ?? provider
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
        return source
    }

    /// None: the synthetic market.
    static func named(
        _ configuration: Configuration, _ kinds: [ProviderKind]
    ) throws(SettingsError) -> [ProviderKind] {
        let names = configuration.list("GATEWAY_PROVIDER")
        if names == ["synthetic"] { return [] }
        let known = ["synthetic"] + kinds.map(\.name)
        var found: [ProviderKind] = []
        for name in names {
            if name == "synthetic" {
                throw SettingsError("GATEWAY_PROVIDER: synthetic stands alone")
            }
            guard let kind = kinds.first(where: { $0.name == name }) else {
                throw SettingsError(
                    "GATEWAY_PROVIDER: \(name) is none of \(known.joined(separator: ", "))")
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
        return found
    }

    private static func pace(
        _ configuration: Configuration
    ) throws(SettingsError) -> SyntheticProvider.Pace {
        let text = configuration.text("SYNTHETIC_PACE")
        guard SyntheticProvider.Pace(rawValue: text) == .full else { return .realtime }
        let total = configuration.integer("SYNTHETIC_TICKS")
        if total == 0 {
            throw SettingsError("SYNTHETIC_PACE: full needs SYNTHETIC_TICKS above 0")
        }
        let interval = 1_000_000_000 / Int64(configuration.integer("SYNTHETIC_RATE"))
        if Int64(total) > spanNanosecondsMax / interval {
            throw SettingsError(
                "SYNTHETIC_TICKS: \(total) at SYNTHETIC_RATE take more than 50 years")
        }
        return .full
    }

    private static func missed(
        _ configuration: Configuration
    ) throws(SettingsError) -> SyntheticProvider.Missed {
        guard configuration.text("SYNTHETIC_MISSED") == "lost" else { return .again }
        if configuration.text("SYNTHETIC_PACE") == "full" {
            throw SettingsError("SYNTHETIC_MISSED: lost needs SYNTHETIC_PACE realtime")
        }
        return .lost
    }

    /// Who makes again what is missing goes on behind the last tick of each partition, and a quote
    /// that waited comes behind later ones.
    private static func checkConflation(
        _ configuration: Configuration
    ) throws(SettingsError) {
        guard configuration.text("GATEWAY_POLICY_QUOTES") == "conflate",
            configuration.list("GATEWAY_PROVIDER") == ["synthetic"],
            configuration.text("SYNTHETIC_MISSED") == "again"
        else { return }
        throw SettingsError(
            "GATEWAY_POLICY_QUOTES: conflate puts quotes behind later ticks, and "
                + "SYNTHETIC_MISSED=again goes on behind the last one: set SYNTHETIC_MISSED=lost")
    }

    /// A stamp that goes onto the tape says which tick it is of: one that is ahead must not.
    private static func ahead(
        _ configuration: Configuration
    ) throws(SettingsError) -> SyntheticProvider.Ahead? {
        let ahead = configuration.duration("SYNTHETIC_AHEAD").clampedNanoseconds
        guard ahead > 0 else { return nil }
        let futureMax = configuration.duration("GATEWAY_FUTURE_MAX").clampedNanoseconds
        guard configuration.text("SYNTHETIC_PACE") == "realtime", ahead > 2 * futureMax else {
            throw SettingsError(
                "SYNTHETIC_AHEAD: it needs SYNTHETIC_PACE realtime, and more than twice "
                    + "GATEWAY_FUTURE_MAX")
        }
        let symbols = try Self.symbols(configuration)
        let names = configuration.list("SYNTHETIC_AHEAD_SYMBOLS")
        for name in names where !symbols.contains(where: { $0.text == name }) {
            throw SettingsError("SYNTHETIC_AHEAD_SYMBOLS: \(name) is none of SYNTHETIC_SYMBOLS")
        }
        return SyntheticProvider.Ahead(
            nanoseconds: ahead,
            isMeant: symbols.map { names.isEmpty || names.contains($0.text) })
    }

    private static func symbols(_ configuration: Configuration) throws(SettingsError) -> [Symbol] {
        var symbols: [Symbol] = []
        for text in configuration.list("SYNTHETIC_SYMBOLS") {
            guard let symbol = Symbol(text) else {
                throw SettingsError("SYNTHETIC_SYMBOLS: one of them is no symbol")
            }
            if symbols.contains(symbol) {
                throw SettingsError("SYNTHETIC_SYMBOLS: \(text) is there twice")
            }
            symbols.append(symbol)
        }
        guard (1...SyntheticMarket.symbolsMax).contains(symbols.count) else {
            throw SettingsError(
                "SYNTHETIC_SYMBOLS: 1 to \(SyntheticMarket.symbolsMax) symbols are needed")
        }
        return symbols
    }
}
