internal import EngineKit
internal import MassiveEngine
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

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
