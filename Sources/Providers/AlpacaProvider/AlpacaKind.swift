internal import AlpacaEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

private let group = "Alpaca"
private let shared = ProviderKeys("ALPACA", group)
/// The engine's default settings, from which the keys take their defaults.
private let usual = AlpacaSettings(.iex, seed: 0)

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=alpaca`.
    package static let alpaca = ProviderKind(
        name: AlpacaSetup.providerName,
        keys: shared.all(
            [
                ConfigurationKey(
                    "ALPACA_FEED", .choice(AlpacaFeedName.allCases.map(\.rawValue)),
                    default: usual.feed.rawValue, group: group,
                    "Stocks from IEX (free), or all (also delayed), the test symbol, or coins."),
                ConfigurationKey(
                    "ALPACA_API_KEY", .text, secret: true, group: group,
                    "Key of the account, which the service demands."),
                ConfigurationKey(
                    "ALPACA_API_SECRET", .text, secret: true, group: group,
                    "Secret of that key."),
                ConfigurationKey(
                    "ALPACA_URL", .text, default: "wss://stream.data.alpaca.markets", group: group,
                    "Address of the service's streams."),
                AlpacaSetup.restKey,
                shared.fill,
            ],
            [
                shared.pingedAfter(usual.stream.silentAfter),
                shared.delayMax(usual.stream.delayMax, "record"),
                ConfigurationKey(
                    "ALPACA_TRADES_KEPT", .integer(1_024...16_777_216),
                    default: "\(usual.stream.tradesKept)", group: group,
                    "Last trades that a correction finds (as a power of two); 21 bytes each."),
            ]),
        rules: AlpacaKeys.rules
    ) { context in
        // The seed decides only waits, so any number will do.
        let setup = try AlpacaSetup(context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        return EngineProvider(setup, context)
    }
}

/// The key and the secret. Nothing prints them.
struct AlpacaKeys: Sendable {
    let both: ServiceKey

    init(_ configuration: Configuration) {
        both = ServiceKey(configuration, "ALPACA_API_KEY", "ALPACA_API_SECRET")
    }

    /// Returns the request that authenticates a connection, with what the files have.
    func request() -> String {
        both.renew()
        return JSONWriter.made { json in
            json.member("action", "auth")
            json.member("key", both[0])
            json.member("secret", both[1])
        }.text
    }

    /// The headers that authenticate a request.
    var headers: [HTTPHeader] {
        [
            HTTPHeader("apca-api-key-id", both[0], isSecret: true),
            HTTPHeader("apca-api-secret-key", both[1], isSecret: true),
        ]
    }

    static let rules = [
        shared.streamRule(), shared.proxyRule, shared.secretRule("API_KEY", of: group),
        shared.secretRule("API_SECRET", of: group), shared.pastRule(AlpacaSetup.rest),
    ]
}

/// The provider's settings.
struct AlpacaSetup: Sendable {
    /// Without a path.
    private let url: WebSocketURL
    let keys: AlpacaKeys
    var client: WebSocketConfiguration
    var engine: AlpacaSettings
    let past: PastAddress?

    init(_ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        guard let url = WebSocketURL(configuration.text("ALPACA_URL")) else {
            throw SettingsError("ALPACA_URL: an address like wss://name:port is needed")
        }
        self.url = url
        keys = AlpacaKeys(configuration)
        client = shared.client(configuration)
        let silentAfter = configuration.duration("ALPACA_SILENT_AFTER")
        (client.pingAfter, client.hangUpAfter) = (silentAfter / 2, silentAfter)
        let feed = AlpacaFeedName(rawValue: configuration.text("ALPACA_FEED"))
        engine = AlpacaSettings(feed ?? usual.feed, seed: seed)
        engine.stream.hidden = keys.both.hidden
        shared.read(configuration, into: &engine.stream)
        let known = AlpacaPastFeed(engine.feed) == nil ? nil : Self.rest(configuration)
        past = known.flatMap { [keys, client, engine] in
            engine.stream.fills ? Self.past($0, keys, client) : nil
        }
        engine.stream.fills = past != nil
    }

    static var restKey: ConfigurationKey {
        ConfigurationKey(
            "ALPACA_REST_URL", .text, group: group,
            "Address of the past; empty: the public one, by its ALPACA_URL.")
    }

    /// Returns the address of the past, without a slash at its end; `nil`: the streams are others
    /// than the public ones, and so is their past.
    static func rest(_ configuration: Configuration) -> String? {
        shared.rest(
            configuration, usual: "https://data.alpaca.markets",
            ofStreams: ["wss://stream.data.alpaca.markets"])
    }

    static func past(
        _ address: String, _ keys: AlpacaKeys, _ client: WebSocketConfiguration
    ) -> PastAddress {
        PastAddress(
            address, client.forRequests,
            HTTPMeaning(
                group,
                advice: "check ALPACA_API_KEY_FILE, ALPACA_API_SECRET_FILE and the feed; without a "
                    + "paid account the past of sip is 16 minutes old",
                hidden: keys.both.hidden), key: keys.both
        ) { keys.headers }
    }

    /// The address of a stream.
    func address(_ endpoint: AlpacaEndpoint) -> WebSocketURL {
        var address = url
        let before = url.path == "/" ? "" : url.path
        address.path = before + endpoint.path(engine.feed)
        return address
    }
}

private let history = "alpaca-history"
/// The choice that the past is that of what is recorded.
private let asLive = "as-live"

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=alpaca-history`, which loads past trades or bars.
    package static let alpacaHistory = pagedHistory(
        history,
        keys: [
            AlpacaSetup.restKey,
            ConfigurationKey(
                "ALPACA_HISTORY_FEED",
                .choice([asLive] + AlpacaPastFeed.allCases.map(\.rawValue)), default: asLive,
                group: group, "Whose past is loaded: that of ALPACA_FEED, or another."),
            ConfigurationKey(
                "ALPACA_HISTORY_BARS", .choice(BarLength.ofAlpaca.map(\.rawValue)),
                default: "1m", group: group, HistoryKeys.barsText),
        ],
        rules: AlpacaKeys.rules
    ) { configuration in
        guard let address = AlpacaSetup.rest(configuration) else {
            throw SettingsError("ALPACA_REST_URL: the address of the past is needed")
        }
        // The seed decides nothing here.
        let live = try AlpacaSetup(configuration, seed: 0)
        let own = AlpacaPastFeed(rawValue: configuration.text("ALPACA_HISTORY_FEED"))
        let bars = BarLength(rawValue: configuration.text("ALPACA_HISTORY_BARS"))
        return PagedSetup(
            history, try HistorySettings(configuration),
            AlpacaHistoryService(
                own ?? AlpacaPastFeed(live.engine.feed), bars: bars ?? .minute,
                isDelayed: own == nil && live.engine.feed == .delayedSip),
            AlpacaSetup.past(address, live.keys, live.client))
    }
}
