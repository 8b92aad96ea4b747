internal import EngineKit
internal import HTTPClient
internal import MassiveEngine
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

private let group = "Massive"
private let shared = ProviderKeys("MASSIVE", group)
/// The engine's default settings, from which the keys take their defaults.
private let usual = MassiveSettings(.realTime, seed: 0)

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=massive`.
    package static let massive = ProviderKind(
        name: MassiveSetup.providerName,
        keys: shared.all(
            [
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
                shared.fill,
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
            ],
            [
                shared.pingedAfter(usual.stream.silentAfter),
                shared.delayMax(usual.stream.delayMax, "record"),
                ConfigurationKey(
                    "MASSIVE_TRADES_KEPT", .integer(1_024...16_777_216),
                    default: "\(usual.stream.tradesKept)", group: group,
                    "Last trades that are known when they come twice (a power of two); "
                        + "17 bytes each."),
            ]),
        rules: MassiveKey.rules
    ) { context in
        // The seed decides only waits, so any number will do.
        let setup = try MassiveSetup(context.configuration, seed: UInt64.random(in: 0...UInt64.max))
        return EngineProvider(setup, context)
    }
}

/// The key. Nothing prints it.
struct MassiveKey: Sendable {
    let key: ServiceKey

    init(_ configuration: Configuration) { key = ServiceKey(configuration, "MASSIVE_API_KEY") }

    /// Returns the request that authenticates a connection, with what the file has.
    func request() -> String {
        key.renew()
        return JSONWriter.made { json in
            json.member("action", "auth")
            json.member("params", key[0])
        }.text
    }

    /// The header that authenticates a request. An address with the key would be in logs of others.
    var header: HTTPHeader { HTTPHeader("authorization", "Bearer \(key[0])", isSecret: true) }

    static let rules = [
        shared.streamRule(canBeEmpty: true), shared.pastRule(MassiveSetup.rest), shared.proxyRule,
        shared.secretRule("API_KEY", of: group),
    ]
}

/// The provider's settings.
struct MassiveSetup: Sendable {
    /// With the path of the market.
    let address: WebSocketURL
    /// `nil`: nothing is asked for.
    let past: PastAddress?
    let key: MassiveKey
    var client: WebSocketConfiguration
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
        key = MassiveKey(configuration)
        client = shared.client(configuration)
        let silentAfter = configuration.duration("MASSIVE_SILENT_AFTER")
        (client.pingAfter, client.hangUpAfter) = (silentAfter / 2, silentAfter)
        engine = MassiveSettings(feed, seed: seed)
        engine.stream.hidden = key.key.hidden
        engine.bars = MassiveBars(rawValue: configuration.text("MASSIVE_BARS")) ?? usual.bars
        func span(_ key: String) -> Int64 { shared.span(key, configuration) }
        shared.read(configuration, into: &engine.stream)
        engine.rereadAges = Set(
            [span("REREAD_FIRST"), span("REREAD_LAST")].filter { $0 > 0 }
        ).sorted()
        // Nobody knows where the past of another stream is.
        let rest = Self.rest(configuration)
        if rest == nil { (engine.rereadAges, engine.stream.fills) = ([], false) }
        let isAsked = engine.stream.fills || !engine.rereadAges.isEmpty
        past = rest.flatMap { [key, client] in isAsked ? Self.past($0, key, client) : nil }
    }

    static var restKey: ConfigurationKey {
        ConfigurationKey(
            "MASSIVE_REST_URL", .text, group: group,
            "Address of the past; empty: the public one, if MASSIVE_URL is empty.")
    }

    /// Returns the address of the past, without a slash at its end; `nil`: the streams are others
    /// than the public ones, and so is their past.
    static func rest(_ configuration: Configuration) -> String? {
        shared.rest(configuration, usual: "https://api.massive.com", ofStreams: [nil, ""])
    }

    static func past(
        _ address: String, _ key: MassiveKey, _ client: WebSocketConfiguration
    ) -> PastAddress {
        PastAddress(
            address, client.forRequests,
            HTTPMeaning(
                group,
                advice: "check MASSIVE_API_KEY_FILE, and whether the plan has trades, and that "
                    + "time; MASSIVE_FILL, MASSIVE_REREAD_FIRST and MASSIVE_REREAD_LAST switch "
                    + "requests off", hidden: key.key.hidden), key: key.key
        ) { [key.header] }
    }
}

private let history = "massive-history"

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=massive-history`, which loads past trades or bars.
    package static let massiveHistory = pagedHistory(
        history,
        keys: [
            MassiveSetup.restKey,
            ConfigurationKey(
                "MASSIVE_HISTORY_REQUESTS", .integer(1...6_000), default: "300", group: "Massive",
                "Requests for the past in a minute; a free plan has 5."),
            ConfigurationKey(
                "MASSIVE_HISTORY_BARS", .choice(BarLength.ofMassive.map(\.rawValue)),
                default: "1m", group: "Massive", HistoryKeys.barsText),
        ],
        rules: MassiveKey.rules
    ) { configuration in
        guard let address = MassiveSetup.rest(configuration) else {
            throw SettingsError("MASSIVE_REST_URL: the address of the past is needed")
        }
        // The seed decides nothing here.
        let live = try MassiveSetup(configuration, seed: 0)
        let bars = BarLength(rawValue: configuration.text("MASSIVE_HISTORY_BARS"))
        return PagedSetup(
            history, try HistorySettings(configuration),
            MassiveHistoryService(
                bars: bars ?? .minute,
                requestsPerMinute: configuration.integer("MASSIVE_HISTORY_REQUESTS"),
                isDelayed: live.engine.feed == .delayed),
            MassiveSetup.past(address, live.key, live.client))
    }
}
