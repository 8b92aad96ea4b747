internal import BinanceEngine
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=binance-history`, which loads past trades.
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
    /// Where past trades are asked for.
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
        http = try BinanceSetup(configuration, seed: 0).http
    }
}
