internal import EngineKit
internal import HTTPClient
internal import MassiveEngine
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=massive-history`, which loads past trades or bars.
    package static let massiveHistory = ProviderKind(
        name: MassiveHistorySetup.name,
        keys: [
            MassiveSetup.restKey,
            ConfigurationKey(
                "MASSIVE_HISTORY_REQUESTS", .integer(1...6_000), default: "300", group: "Massive",
                "Requests for the past in a minute; a free plan has 5."),
            ConfigurationKey(
                "MASSIVE_HISTORY_BARS", .choice(BarLength.ofMassive.map(\.rawValue)),
                default: "1m", group: "Massive", HistoryKeys.barsText),
        ] + HistoryKeys.loadRange,
        rules: MassiveKey.rules + [
            HistoryKeys.rule,
            ConfigurationRule {
                HistoryKeys.problem(ofAddress: "MASSIVE_REST_URL", MassiveHistorySetup.rest($0))
            },
        ], isRecorded: true
    ) { context in
        HistoryProvider(try MassiveHistorySetup(context.configuration), context)
    }
    .continuingAfterLast()
    .loadingPast { context, instruments, shutdown in
        let setup = try MassiveHistorySetup(context.configuration)
        return HistoryCounter(setup.makeService(), setup.range).plan(
            try setup.makeClient(ProviderWake()), instruments, shutdown, context.telemetry)
    }
}

/// The settings of a load.
struct MassiveHistorySetup: HistorySetup {
    static let name = "massive-history"
    private static let requests = "https://api.massive.com"

    let range: HistorySettings
    private let service: MassiveHistoryService
    private let address: String
    private let key: MassiveKey
    private let http: HTTPConfiguration

    init(_ configuration: Configuration) throws(SettingsError) {
        range = try HistorySettings(configuration)
        guard let address = Self.rest(configuration) else {
            throw SettingsError("MASSIVE_REST_URL: the address of the past is needed")
        }
        self.address = address
        // The seed decides nothing here.
        let live = try MassiveSetup(configuration, seed: 0)
        key = live.key
        http = live.client.forRequests
        let bars = BarLength(rawValue: configuration.text("MASSIVE_HISTORY_BARS"))
        service = MassiveHistoryService(
            bars: bars ?? .minute,
            requestsPerMinute: configuration.integer("MASSIVE_HISTORY_REQUESTS"),
            isDelayed: live.engine.feed == .delayed)
    }

    /// Returns the address of the past, without a slash at its end; `nil`: the streams are others
    /// than the public ones, and so is their past.
    static func rest(_ configuration: Configuration) -> String? {
        if let given = configuration.optionalText("MASSIVE_REST_URL"), !given.isEmpty {
            return given.last == "/" ? String(given.dropLast()) : given
        }
        return configuration.optionalText("MASSIVE_URL")?.isEmpty ?? true ? requests : nil
    }

    func makeService() -> MassiveHistoryService { service }

    func makeClient(
        _ waker: ProviderWake
    ) throws -> sending HTTPHistoryClient<MassiveHistoryService> {
        let meaning = HTTPMeaning(
            "Massive",
            advice: "check MASSIVE_API_KEY_FILE, and whether the plan has trades, and that time",
            hidden: key.hidden)
        return try HTTPHistoryClient(http, waker) { [address, key] request in
            HTTPURL(address + request.target).map {
                HTTPRequest($0, headers: [key.header])
            }
        } read: {
            meaning.outcome(of: $0)
        }
    }
}
