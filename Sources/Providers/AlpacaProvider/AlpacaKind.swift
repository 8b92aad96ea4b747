internal import AlpacaEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

private let group = "Alpaca"
/// The engine's default settings, from which the keys take their defaults.
private let usual = AlpacaSettings(.iex, seed: 0)

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=alpaca`.
    package static let alpaca = ProviderKind(
        name: AlpacaSetup.providerName,
        keys: [
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
            ConfigurationKey(
                "ALPACA_PROXY", .text, group: group,
                "Proxy as name:port, asked by CONNECT; empty: none."),
            ConfigurationKey(
                "ALPACA_TLS_CA", .text, group: group,
                "Path of certificates (PEM) that are trusted beside the system's."),
            ConfigurationKey(
                "ALPACA_CONNECT_TIMEOUT", .duration(.seconds(1)...Duration.seconds(60)),
                default: "5s", group: group,
                "How long each phase of an attempt to connect may take."),
            ConfigurationKey(
                "ALPACA_SILENT_AFTER", .duration(.seconds(2)...Duration.seconds(3_600)),
                default: "\(usual.stream.silentAfter / 1_000_000_000)s", group: group,
                "A connection is given up that answers no ping for so long, or is silent "
                    + "after dense messages."),
            ConfigurationKey(
                "ALPACA_DELAY_MAX", .duration(.milliseconds(100)...Duration.seconds(60)),
                default: "\(usual.stream.delayMax / 1_000_000_000)s", group: group,
                "How long a record may be under way; the watermark stays so much behind."),
            ConfigurationKey(
                "ALPACA_TRADES_KEPT", .integer(1_024...16_777_216),
                default: "\(usual.stream.tradesKept)", group: group,
                "Last trades that a correction finds (as a power of two); 21 bytes each."),
            ConfigurationKey(
                "ALPACA_RECONNECT_FIRST", .duration(.milliseconds(100)...Duration.seconds(600)),
                default: "1s", group: group, "Wait after a first failure; then it doubles."),
            ConfigurationKey(
                "ALPACA_RECONNECT_MAX", .duration(.seconds(1)...Duration.seconds(3_600)),
                default: "60s", group: group,
                "Longest wait between two attempts, which never end."),
        ],
        rules: AlpacaKeys.rules
    ) { context in
        // The seed decides only waits, so any number will do.
        let setup = try AlpacaSetup(context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        return EngineProvider(setup, context)
    }
}

/// The key and the secret. Nothing prints them.
struct AlpacaKeys: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: String
    private let secret: String

    init(_ configuration: Configuration) {
        key = Self.text("ALPACA_API_KEY", configuration)
        secret = Self.text("ALPACA_API_SECRET", configuration)
    }

    /// The request that authenticates a connection.
    var request: String {
        var json = JSONWriter()
        json.object { json in
            json.member("action", "auth")
            json.member("key", key)
            json.member("secret", secret)
        }
        return json.text
    }

    /// The headers that authenticate a request.
    var headers: [HTTPHeader] {
        [
            HTTPHeader("apca-api-key-id", key, isSecret: true),
            HTTPHeader("apca-api-secret-key", secret, isSecret: true),
        ]
    }

    /// What no reason may have.
    var hidden: HiddenTexts { HiddenTexts([key, secret]) }

    var description: String { "<redacted>" }
    var customMirror: Mirror { Mirror(self, children: [:]) }

    static let rules: [ConfigurationRule] = [
        ConfigurationRule { configuration in
            guard let url = WebSocketURL(configuration.text("ALPACA_URL")) else {
                return "ALPACA_URL: an address like wss://name:port is needed"
            }
            let isLocal = ["127.0.0.1", "::1", "localhost"].contains(url.host)
            return url.hasTLS || isLocal
                ? nil : "ALPACA_URL: a key is sent over TLS alone, so wss:// is needed"
        },
        ConfigurationRule { configuration in
            WebSocketConfiguration.proxy(configuration.optionalText("ALPACA_PROXY") ?? "") == nil
                ? "ALPACA_PROXY: name:port is needed" : nil
        },
        rule("ALPACA_API_KEY"),
        rule("ALPACA_API_SECRET"),
    ]

    private static func rule(_ name: String) -> ConfigurationRule {
        ConfigurationRule { configuration in
            let text = text(name, configuration)
            guard !text.isEmpty else {
                return "\(name)_FILE: Alpaca demands it: write it into a file and give the path"
            }
            return text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
                ? nil : "\(name): it has no spaces and only ASCII"
        }
    }

    private static func text(_ name: String, _ configuration: Configuration) -> String {
        configuration.secret(name)?.revealed ?? ""
    }
}

/// The provider's settings.
struct AlpacaSetup: Sendable {
    /// Without a path.
    private let url: WebSocketURL
    let keys: AlpacaKeys
    var client = WebSocketConfiguration()
    var engine: AlpacaSettings

    init(_ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        guard let url = WebSocketURL(configuration.text("ALPACA_URL")) else {
            throw SettingsError("ALPACA_URL: an address like wss://name:port is needed")
        }
        self.url = url
        keys = AlpacaKeys(configuration)
        client.proxy = configuration.optionalText("ALPACA_PROXY") ?? ""
        client.caPath = configuration.optionalText("ALPACA_TLS_CA") ?? ""
        client.connectTimeout = configuration.duration("ALPACA_CONNECT_TIMEOUT")
        client.userAgent = UserAgent.text(configuration)
        let silentAfter = configuration.duration("ALPACA_SILENT_AFTER")
        (client.pingAfter, client.hangUpAfter) = (silentAfter / 2, silentAfter)
        let feed = AlpacaFeedName(rawValue: configuration.text("ALPACA_FEED"))
        engine = AlpacaSettings(feed ?? usual.feed, seed: seed)
        engine.stream.hidden = keys.hidden
        func span(_ key: String) -> Int64 { configuration.duration(key).clampedNanoseconds }
        engine.stream.silentAfter = span("ALPACA_SILENT_AFTER")
        engine.stream.delayMax = span("ALPACA_DELAY_MAX")
        engine.stream.tradesKept = configuration.integer("ALPACA_TRADES_KEPT")
        engine.stream.reconnectFirst = span("ALPACA_RECONNECT_FIRST")
        engine.stream.reconnectMax = span("ALPACA_RECONNECT_MAX")
    }

    /// The address of a stream.
    func address(_ endpoint: AlpacaEndpoint) -> WebSocketURL {
        var address = url
        let before = url.path == "/" ? "" : url.path
        address.path = before + endpoint.path(engine.feed)
        return address
    }
}
