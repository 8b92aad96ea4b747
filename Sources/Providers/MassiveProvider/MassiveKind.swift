internal import EngineKit
internal import HTTPClient
internal import HistoryKit
internal import MassiveEngine
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

private let group = "Massive"
/// The engine's default settings, from which the keys take their defaults.
private let usual = MassiveSettings(.realTime, seed: 0)

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=massive`.
    package static let massive = ProviderKind(
        name: MassiveSetup.providerName,
        keys: [
            ConfigurationKey(
                "MASSIVE_FEED", .choice(MassiveFeedName.allCases.map(\.rawValue)),
                default: usual.feed.rawValue, group: group,
                "What the account's plan has: real-time, or delayed by 15 minutes."),
            ConfigurationKey(
                "MASSIVE_API_KEY", .text, secret: true, group: group,
                "Key of the account, which the service demands."),
            ConfigurationKey(
                "MASSIVE_URL", .text, group: group,
                "Address of the service's streams; empty: the host of the feed."),
            MassiveSetup.restKey,
            ConfigurationKey(
                "MASSIVE_REREAD_FIRST", .duration(.zero...Duration.seconds(86_400)),
                default: "20m", group: group,
                "How long after their report trades are read again, for cancels; 0s: never."),
            ConfigurationKey(
                "MASSIVE_REREAD_LAST", .duration(.zero...Duration.seconds(7 * 86_400)),
                default: "12h", group: group, "The same once more, later; 0s: never."),
            ConfigurationKey(
                "MASSIVE_BARS", .choice(MassiveBars.allCases.map(\.rawValue)),
                default: usual.bars.rawValue, group: group,
                "Length of the bars of instruments with feeds: bars."),
            ConfigurationKey(
                "MASSIVE_PROXY", .text, group: group,
                "Proxy as name:port, asked by CONNECT; empty: none."),
            ConfigurationKey(
                "MASSIVE_TLS_CA", .text, group: group,
                "Path of certificates (PEM) that are trusted beside the system's."),
            ConfigurationKey(
                "MASSIVE_CONNECT_TIMEOUT", .duration(.seconds(1)...Duration.seconds(60)),
                default: "5s", group: group,
                "How long each phase of an attempt to connect may take."),
            ConfigurationKey(
                "MASSIVE_SILENT_AFTER", .duration(.seconds(2)...Duration.seconds(3_600)),
                default: "\(usual.stream.silentAfter / 1_000_000_000)s", group: group,
                "A connection is given up that answers no ping for so long, or is silent "
                    + "after dense messages."),
            ConfigurationKey(
                "MASSIVE_DELAY_MAX", .duration(.milliseconds(100)...Duration.seconds(60)),
                default: "\(usual.stream.delayMax / 1_000_000_000)s", group: group,
                "How long a record may be under way; the watermark stays so much behind."),
            ConfigurationKey(
                "MASSIVE_TRADES_KEPT", .integer(1_024...16_777_216),
                default: "\(usual.stream.tradesKept)", group: group,
                "Last trades that are known when they come twice (a power of two); 17 bytes each."),
            ConfigurationKey(
                "MASSIVE_RECONNECT_FIRST", .duration(.milliseconds(100)...Duration.seconds(600)),
                default: "1s", group: group, "Wait after a first failure; then it doubles."),
            ConfigurationKey(
                "MASSIVE_RECONNECT_MAX", .duration(.seconds(1)...Duration.seconds(3_600)),
                default: "60s", group: group,
                "Longest wait between two attempts, which never end."),
        ],
        rules: MassiveKey.rules
    ) { context in
        // The seed decides only waits, so any number will do.
        let setup = try MassiveSetup(context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        return EngineProvider(setup, context)
    }
}

/// The key. Nothing prints it.
struct MassiveKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let key: String

    init(_ configuration: Configuration) { key = Self.text(configuration) }

    /// The request that authenticates a connection.
    var request: String {
        var json = JSONWriter()
        json.object { json in
            json.member("action", "auth")
            json.member("params", key)
        }
        return json.text
    }

    /// The header that authenticates a request. An address with the key would be in logs of others.
    var header: HTTPHeader { HTTPHeader("authorization", "Bearer \(key)", isSecret: true) }
    /// What no reason may have.
    var hidden: HiddenTexts { HiddenTexts([key]) }

    var description: String { "<redacted>" }
    var customMirror: Mirror { Mirror(self, children: [:]) }

    static let rules: [ConfigurationRule] = [
        ConfigurationRule { configuration in
            guard let text = configuration.optionalText("MASSIVE_URL"), !text.isEmpty else {
                return nil
            }
            guard let url = WebSocketURL(text) else {
                return "MASSIVE_URL: an address like wss://name:port is needed"
            }
            let isLocal = ["127.0.0.1", "::1", "localhost"].contains(url.host)
            return url.hasTLS || isLocal
                ? nil : "MASSIVE_URL: a key is sent over TLS alone, so wss:// is needed"
        },
        ConfigurationRule { configuration in
            MassiveHistorySetup.rest(configuration).flatMap {
                HistoryKeys.problem(ofAddress: "MASSIVE_REST_URL", $0)
            }
        },
        ConfigurationRule { configuration in
            WebSocketConfiguration.proxy(configuration.optionalText("MASSIVE_PROXY") ?? "") == nil
                ? "MASSIVE_PROXY: name:port is needed" : nil
        },
        ConfigurationRule { configuration in
            let text = text(configuration)
            guard !text.isEmpty else {
                return "MASSIVE_API_KEY_FILE: Massive demands it: write it into a file and give "
                    + "the path"
            }
            return text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
                ? nil : "MASSIVE_API_KEY: it has no spaces and only ASCII"
        },
    ]

    private static func text(_ configuration: Configuration) -> String {
        configuration.secret("MASSIVE_API_KEY")?.revealed ?? ""
    }
}

/// The provider's settings.
struct MassiveSetup: Sendable {
    /// With the path of the market.
    let address: WebSocketURL
    /// Of the service's past; `nil`: it is not known.
    let rest: String?
    let key: MassiveKey
    var client = WebSocketConfiguration()
    /// How requests are made; `nil`: none are.
    var requests: HTTPConfiguration?
    var engine: MassiveSettings

    init(_ configuration: Configuration, seed: UInt64) throws(SettingsError) {
        let feed = MassiveFeedName(rawValue: configuration.text("MASSIVE_FEED")) ?? usual.feed
        let own = configuration.optionalText("MASSIVE_URL") ?? ""
        guard var address = WebSocketURL(own.isEmpty ? "wss://\(feed.host)" : own) else {
            throw SettingsError("MASSIVE_URL: an address like wss://name:port is needed")
        }
        // Massive prints its addresses with the market.
        while address.path.hasSuffix("/") { address.path.removeLast() }
        if !address.path.hasSuffix("/stocks") { address.path += "/stocks" }
        self.address = address
        rest = MassiveHistorySetup.rest(configuration)
        key = MassiveKey(configuration)
        client.proxy = configuration.optionalText("MASSIVE_PROXY") ?? ""
        client.caPath = configuration.optionalText("MASSIVE_TLS_CA") ?? ""
        client.connectTimeout = configuration.duration("MASSIVE_CONNECT_TIMEOUT")
        client.userAgent = UserAgent.text(configuration)
        let silentAfter = configuration.duration("MASSIVE_SILENT_AFTER")
        (client.pingAfter, client.hangUpAfter) = (silentAfter / 2, silentAfter)
        engine = MassiveSettings(feed, seed: seed)
        engine.stream.hidden = key.hidden
        engine.bars = MassiveBars(rawValue: configuration.text("MASSIVE_BARS")) ?? usual.bars
        func span(_ key: String) -> Int64 { configuration.duration(key).clampedNanoseconds }
        engine.stream.silentAfter = span("MASSIVE_SILENT_AFTER")
        engine.stream.delayMax = span("MASSIVE_DELAY_MAX")
        engine.stream.tradesKept = configuration.integer("MASSIVE_TRADES_KEPT")
        engine.stream.reconnectFirst = span("MASSIVE_RECONNECT_FIRST")
        engine.stream.reconnectMax = span("MASSIVE_RECONNECT_MAX")
        engine.rereadAges = Set(
            [span("MASSIVE_REREAD_FIRST"), span("MASSIVE_REREAD_LAST")].filter { $0 > 0 }
        ).sorted()
        // Nobody knows where the past of another stream is.
        if rest == nil { engine.rereadAges = [] }
        requests = engine.rereadAges.isEmpty ? nil : client.forRequests
    }

    static var restKey: ConfigurationKey {
        ConfigurationKey(
            "MASSIVE_REST_URL", .text, group: group,
            "Address of the past; empty: the public one, if MASSIVE_URL is empty.")
    }
}
