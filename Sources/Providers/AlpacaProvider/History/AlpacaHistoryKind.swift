internal import AlpacaEngine
internal import EngineKit
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

private let group = "Alpaca"
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
