internal import BinanceEngine
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=binance-history`, which loads past trades or bars.
    package static let binanceHistory = ProviderKind(
        name: BinanceHistoryProvider.providerName,
        keys: [
            ConfigurationKey(
                "HISTORY_FROM", .text, group: "History",
                "First time (ISO) that a provider of the past loads."),
            ConfigurationKey(
                "HISTORY_TO", .text, group: "History",
                "Time (ISO) before which it loads; at least a minute ago."),
        ],
        rules: [
            .of(reads: ["HISTORY_FROM", "HISTORY_TO"]) { _ = try HistorySettings($0) },
            ConfigurationRule { configuration in
                BinanceSetup.rest(configuration).flatMap { HTTPURL($0) } == nil
                    ? "BINANCE_REST_URL: the address of the exchange's past is needed" : nil
            },
        ], isRecorded: true
    ) { context in
        try BinanceHistoryProvider(context)
    }
    .continuingByIDs()
    .loadingPast { context, instruments, shutdown in
        try BinanceHistoryPlanner(context).plan(instruments, shutdown)
    }
}

/// The settings of a load.
struct BinanceHistorySetup: Sendable {
    let range: HistorySettings
    /// The length of bars, for instruments with them.
    let bars: BinanceBarLength
    /// Where the past is asked for.
    let address: String
    let http: HTTPConfiguration

    init(_ configuration: Configuration) throws(SettingsError) {
        range = try HistorySettings(configuration)
        guard let address = BinanceSetup.rest(configuration) else {
            throw SettingsError(
                "BINANCE_REST_URL: the address of the exchange's past is needed")
        }
        self.address = address
        // The seed decides nothing here.
        let live = try BinanceSetup(configuration, seed: 0)
        http = live.http
        bars = live.engine.bars
    }
}
