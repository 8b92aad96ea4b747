internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

private let group = "Binance"
private let shared = ProviderKeys("BINANCE", group)
/// The engine's default settings, from which the keys take their defaults.
private let usual = BinanceSettings(seed: 0)

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=binance`.
    package static let binance = ProviderKind(
        name: BinanceSetup.providerName,
        keys: shared.all(
            [
                ConfigurationKey(
                    "BINANCE_URL", .text, default: BinanceSetup.streams, group: group,
                    "Address of the exchange's streams; none needs an account."),
                ConfigurationKey(
                    "BINANCE_REST_URL", .list, group: group,
                    "Addresses of its past, in order; empty: the public ones, by their BINANCE_URL."
                ),
                ConfigurationKey(
                    "BINANCE_FILL", .flag, default: "true", group: group,
                    "Whether trades that did not come are asked for by their ids."),
            ],
            [
                ConfigurationKey(
                    "BINANCE_STREAMS", .integer(1...1_024), default: "\(usual.merge.streamsMax)",
                    group: group, "Streams of one connection; further instruments are refused."),
                ConfigurationKey(
                    "BINANCE_BARS", .choice(BarLength.allCases.map(\.rawValue)),
                    default: usual.bars.rawValue, group: group,
                    "Length of the exchange's bars, for instruments with feeds: bars."),
                ConfigurationKey(
                    "BINANCE_HOT_HOT", .flag, default: "false", group: group,
                    "Whether two connections deliver all the time, merged by the trades' ids."),
                ConfigurationKey(
                    "BINANCE_HOT_HOT_WAIT", .duration(.milliseconds(1)...Duration.seconds(2)),
                    default: "\(usual.merge.wait / 1_000_000)ms", group: group,
                    "How long a trade waits for an earlier one that another connection may bring."),
                ConfigurationKey(
                    "BINANCE_RENEW_AFTER", .duration(.seconds(1)...Duration.seconds(86_400)),
                    default: "\(usual.merge.renewAfter / 1_000_000_000)s", group: group,
                    "Age at which a connection gets its successor; it ends after 24 hours."),
                ConfigurationKey(
                    "BINANCE_OVERLAP", .duration(.milliseconds(100)...Duration.seconds(60)),
                    default: "2s", group: group,
                    "How long a connection and its successor deliver both."),
                shared.silentAfter(
                    usual.stream.silentAfter, least: .seconds(1),
                    "A connection that is silent for so long is given up; asked after half of it."),
                shared.delayMax(usual.stream.delayMax, "trade"),
            ]),
        rules: [
            ConfigurationRule { configuration in
                WebSocketURL(configuration.text("BINANCE_URL")) == nil
                    ? "BINANCE_URL: an address like wss://name:port/path is needed" : nil
            },
            ConfigurationRule { configuration in
                BinanceSetup.rest(configuration).allSatisfy { HTTPURL($0, query: []) != nil }
                    ? nil : "BINANCE_REST_URL: addresses like https://name:port are needed"
            },
            ConfigurationRule { configuration in
                BinanceSetup.rest(configuration).count <= BinanceAddresses.countMax
                    ? nil : "BINANCE_REST_URL: at most \(BinanceAddresses.countMax) are asked"
            },
            shared.proxyRule,
        ]
    ) { context in
        // The seed decides only waits, so any number will do.
        let setup = try BinanceSetup(
            context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        return EngineProvider(setup, context)
    }
    .continuingByIDs()
}

/// The provider's settings.
struct BinanceSetup: Sendable {
    var url: WebSocketURL
    var client: WebSocketConfiguration
    /// Where past trades are asked for; `nil`: nowhere.
    var rest: BinanceAddresses?
    var http = HTTPConfiguration()
    var engine: BinanceSettings

    static let streams = "wss://data-stream.binance.vision/stream"
    /// The exchange documents all that is asked for at the first two. At the last one, which
    /// answers more countries, it documents all but `historicalTrades`.
    private static let requests = [
        "https://api.binance.com", "https://api-gcp.binance.com", "https://data-api.binance.vision",
    ]

    /// Returns the addresses of requests. Other streams than the public ones count their trades in
    /// another way, so they need addresses of their own.
    static func rest(_ configuration: Configuration) -> [String] {
        let given = configuration.list("BINANCE_REST_URL")
        guard given.isEmpty else {
            return given.map { $0.last == "/" ? String($0.dropLast()) : $0 }
        }
        return configuration.text("BINANCE_URL") == streams ? requests : []
    }

    /// The same; `nil`: there is none.
    static func addresses(_ configuration: Configuration) -> BinanceAddresses? {
        let rest = rest(configuration)
        return rest.isEmpty ? nil : BinanceAddresses(rest)
    }

    init(_ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        guard let url = WebSocketURL(configuration.text("BINANCE_URL")) else {
            throw SettingsError("BINANCE_URL: an address like wss://name:port/path is needed")
        }
        self.url = url
        client = shared.client(configuration)
        rest = configuration.flag("BINANCE_FILL") ? Self.addresses(configuration) : nil
        http = client.forRequests
        engine = BinanceSettings(seed: seed)
        engine.merge.fills = rest != nil
        engine.merge.streamsMax = configuration.integer("BINANCE_STREAMS")
        engine.bars = BarLength(rawValue: configuration.text("BINANCE_BARS")) ?? engine.bars
        engine.merge.legs = configuration.flag("BINANCE_HOT_HOT") ? BinanceLimits.legs.count : 1
        func span(_ key: String) -> Int64 { shared.span(key, configuration) }
        engine.merge.renewAfter = span("RENEW_AFTER")
        engine.merge.overlap = span("OVERLAP")
        engine.merge.wait = span("HOT_HOT_WAIT")
        engine.stream.silentAfter = span("SILENT_AFTER")
        engine.stream.delayMax = span("DELAY_MAX")
        engine.stream.reconnectFirst = span("RECONNECT_FIRST")
        engine.stream.reconnectMax = span("RECONNECT_MAX")
    }
}
