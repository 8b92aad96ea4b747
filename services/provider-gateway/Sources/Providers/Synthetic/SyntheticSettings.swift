import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeTransport

extension ProviderKind {
    /// The provider that `GATEWAY_PROVIDER=synthetic` selects.
    static let synthetic = ProviderKind(
        name: SyntheticProvider.providerName, keys: SyntheticTicks.Settings.keys,
        rules: SyntheticTicks.Settings.rules, needsInstruments: false,
        instruments: { configuration throws(SettingsError) in
            try SyntheticTicks.Settings.symbols(configuration).map { Instrument.named($0) }
        }
    ) { context in
        try SyntheticProvider(context)
    }.withOpenList()
}

extension SyntheticTicks.Settings {
    fileprivate static let keys = [
        ConfigurationKey(
            "SYNTHETIC_SEED", .integer(0...Int.max), default: "1", group: "Synthetic provider",
            "The seed from which all ticks follow."),
        ConfigurationKey(
            "SYNTHETIC_SYMBOLS", .list,
            default: "AAPL,AMZN,BRK.B,GOOG,JPM,META,MSFT,NVDA,SPY,TSLA,XLE,XLF,XLK,XLV",
            group: "Synthetic provider", "Symbols, separated by commas; S*3: S1, S2 and S3."),
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

    fileprivate static let rules: [ConfigurationRule] = [
        .of(reads: ["GATEWAY_POLICY_QUOTES", "GATEWAY_PROVIDER", "SYNTHETIC_MISSED"]) {
            try checkConflation($0)
        },
        .of(reads: ["SYNTHETIC_SYMBOLS"]) { _ = try symbols($0) },
        .of(reads: ["SYNTHETIC_PACE", "SYNTHETIC_TICKS", "SYNTHETIC_RATE"]) { _ = try pace($0) },
        .of(reads: ["SYNTHETIC_MISSED", "SYNTHETIC_PACE"]) { _ = try missed($0) },
        .of { _ = try ahead($0) },
    ]

    init(_ configuration: Configuration) throws(SettingsError) {
        let total = configuration.integer("SYNTHETIC_TICKS")
        self.init(
            market: SyntheticMarket.Settings(
                seed: UInt64(configuration.integer("SYNTHETIC_SEED")),
                symbols: try Self.symbols(configuration),
                rate: configuration.integer("SYNTHETIC_RATE")),
            pace: try Self.pace(configuration), total: total == 0 ? nil : UInt64(total),
            backlogNanoseconds: configuration.duration("SYNTHETIC_BACKLOG").clampedNanoseconds,
            missed: try Self.missed(configuration), ahead: try Self.ahead(configuration))
    }

    /// The longest market at full pace. Such a market ends now, and must not begin before the first
    /// time that can be represented.
    static let spanNanosecondsMax: Int64 = 50 * 365 * 86_400 * 1_000_000_000

    private static func pace(
        _ configuration: Configuration
    ) throws(SettingsError) -> SyntheticTicks.Pace {
        let text = configuration.text("SYNTHETIC_PACE")
        guard SyntheticTicks.Pace(rawValue: text) == .full else { return .realtime }
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
    ) throws(SettingsError) -> SyntheticTicks.Missed {
        guard configuration.text("SYNTHETIC_MISSED") == "lost" else { return .again }
        if configuration.text("SYNTHETIC_PACE") == "full" {
            throw SettingsError("SYNTHETIC_MISSED: lost needs SYNTHETIC_PACE realtime")
        }
        return .lost
    }

    /// Refuses conflation with `SYNTHETIC_MISSED=again`. The latter continues after the last tick
    /// of each partition, and conflation puts a held quote after later ticks.
    private static func checkConflation(
        _ configuration: Configuration
    ) throws(SettingsError) {
        guard configuration.text("GATEWAY_POLICY_QUOTES") == "conflate",
            configuration.list("GATEWAY_PROVIDER") == [SyntheticProvider.providerName],
            configuration.text("SYNTHETIC_MISSED") == "again"
        else { return }
        throw SettingsError(
            "GATEWAY_POLICY_QUOTES: conflate puts quotes behind later ticks, and "
                + "SYNTHETIC_MISSED=again goes on behind the last one: set SYNTHETIC_MISSED=lost")
    }

    /// Requires that every tick stamped ahead is refused: a stamp on the tape identifies its tick,
    /// and a wrong one must not get there.
    private static func ahead(
        _ configuration: Configuration
    ) throws(SettingsError) -> SyntheticTicks.Ahead? {
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
        return SyntheticTicks.Ahead(
            nanoseconds: ahead,
            isMeant: symbols.map { names.isEmpty || names.contains($0.text) })
    }

    fileprivate static func symbols(_ configuration: Configuration) throws(SettingsError)
        -> [Symbol]
    {
        try SyntheticSymbols.named(configuration.list("SYNTHETIC_SYMBOLS"))
    }
}
