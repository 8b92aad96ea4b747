internal import AlpacaEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

private let group = "Alpaca"
/// The choice that the past is that of what is recorded.
private let asLive = "as-live"

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=alpaca-history`, which loads past trades or bars.
    package static let alpacaHistory = ProviderKind(
        name: AlpacaHistorySetup.name,
        keys: [
            ConfigurationKey(
                "ALPACA_REST_URL", .text, group: group,
                "Address of the past; empty: the public one, by its ALPACA_URL."),
            ConfigurationKey(
                "ALPACA_HISTORY_FEED",
                .choice([asLive] + AlpacaPastFeed.allCases.map(\.rawValue)), default: asLive,
                group: group, "Whose past is loaded: that of ALPACA_FEED, or another."),
            ConfigurationKey(
                "ALPACA_HISTORY_BARS", .choice(BarLength.ofAlpaca.map(\.rawValue)),
                default: "1m", group: group, HistoryKeys.barsText),
        ] + HistoryKeys.loadRange,
        rules: AlpacaKeys.rules + [
            HistoryKeys.rule,
            ConfigurationRule {
                HistoryKeys.problem(ofAddress: "ALPACA_REST_URL", AlpacaHistorySetup.rest($0))
            },
        ], isRecorded: true
    ) { context in
        HistoryProvider(try AlpacaHistorySetup(context.configuration), context)
    }
    .continuingAfterLast()
    .loadingPast { context, instruments, shutdown in
        let setup = try AlpacaHistorySetup(context.configuration)
        return HistoryCounter(setup.makeService(), setup.range).plan(
            try setup.makeClient(ProviderWake()), instruments, shutdown, context.telemetry)
    }
}

/// The settings of a load.
struct AlpacaHistorySetup: HistorySetup {
    static let name = "alpaca-history"
    private static let streams = "wss://stream.data.alpaca.markets"
    private static let requests = "https://data.alpaca.markets"

    let range: HistorySettings
    private let service: AlpacaHistoryService
    private let address: String
    private let keys: AlpacaKeys
    private let http: HTTPConfiguration

    init(_ configuration: Configuration) throws(SettingsError) {
        range = try HistorySettings(configuration)
        guard let address = Self.rest(configuration) else {
            throw SettingsError("ALPACA_REST_URL: the address of the past is needed")
        }
        self.address = address
        // The seed decides nothing here.
        let live = try AlpacaSetup(configuration, seed: 0)
        keys = live.keys
        http = live.client.forRequests
        let own = AlpacaPastFeed(rawValue: configuration.text("ALPACA_HISTORY_FEED"))
        service = AlpacaHistoryService(
            own ?? AlpacaPastFeed(live.engine.feed),
            bars: BarLength(rawValue: configuration.text("ALPACA_HISTORY_BARS")) ?? .minute,
            isDelayed: own == nil && live.engine.feed == .delayedSip)
    }

    /// Returns the address of the past, without a slash at its end; `nil`: the streams are others
    /// than the public ones, and so is their past.
    static func rest(_ configuration: Configuration) -> String? {
        if let given = configuration.optionalText("ALPACA_REST_URL"), !given.isEmpty {
            return given.last == "/" ? String(given.dropLast()) : given
        }
        return configuration.text("ALPACA_URL") == streams ? requests : nil
    }

    func makeService() -> AlpacaHistoryService { service }

    func makeClient(
        _ waker: ProviderWake
    ) throws -> sending HTTPHistoryClient<AlpacaHistoryService> {
        let meaning = HTTPMeaning(
            "Alpaca",
            advice: "check ALPACA_API_KEY_FILE, ALPACA_API_SECRET_FILE and ALPACA_HISTORY_FEED; "
                + "without a paid account a range of sip ends 16 minutes ago at the latest",
            hidden: keys.hidden)
        return try HTTPHistoryClient(http, waker) { [address, keys] request in
            HTTPURL(address + request.path, query: request.query).map {
                HTTPRequest($0, headers: keys.headers)
            }
        } read: {
            meaning.outcome(of: $0)
        }
    }
}
