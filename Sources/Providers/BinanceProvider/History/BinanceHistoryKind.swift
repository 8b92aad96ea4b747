internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=binance-history`, which loads past trades or bars.
    package static let binanceHistory = ProviderKind(
        name: BinanceHistorySetup.name, keys: HistoryKeys.loadRange,
        rules: [
            HistoryKeys.rule,
            ConfigurationRule { configuration in
                BinanceSetup.rest(configuration).isEmpty
                    ? "BINANCE_REST_URL: the address of the exchange's past is needed" : nil
            },
        ], isRecorded: true
    ) { context in
        HistoryProvider(try BinanceHistorySetup(context.configuration), context)
    }
    .continuingByIDs()
    .loadingPast { context, instruments, shutdown in
        try BinanceHistoryPlanner(context).plan(instruments, shutdown)
    }
}

/// The settings of a load.
struct BinanceHistorySetup: HistorySetup {
    static let name = "binance-history"
    var name: String { Self.name }

    let range: HistorySettings
    /// The length of bars, for instruments with them.
    let bars: BarLength
    /// Where the past is asked for.
    private let addresses: BinanceAddresses
    private let http: HTTPConfiguration

    init(_ configuration: Configuration) throws(SettingsError) {
        range = try HistorySettings(configuration)
        guard let addresses = BinanceSetup.addresses(configuration) else {
            throw SettingsError(
                "BINANCE_REST_URL: the address of the exchange's past is needed")
        }
        self.addresses = addresses
        // The seed decides nothing here.
        let live = try BinanceSetup(configuration, seed: 0)
        http = live.http
        bars = live.engine.bars
    }

    func makeService() -> BinanceHistoryService { BinanceHistoryService(bars: bars) }

    func makeClient(_ waker: ProviderWake) throws -> sending BinanceHistoryClient {
        try BinanceHistoryClient(addresses, http, waker)
    }
}

/// Asks the exchange for its past.
final class BinanceHistoryClient: HistoryClient {
    typealias Service = BinanceHistoryService

    private let past: BinancePast
    private let waker: ProviderWake

    init(
        _ addresses: BinanceAddresses, _ http: HTTPConfiguration, _ waker: ProviderWake
    ) throws(HTTPError) {
        past = try BinancePast(addresses, http) { waker.wake() }
        self.waker = waker
    }

    func ask(_ request: BinancePastRequest) -> FetchOutcome<[UInt8]>? {
        past.ask(request.number, request.fetch(of: ""))
    }

    func take(_ body: (UInt64, FetchOutcome<[UInt8]>) -> Void) { past.take(body) }

    func wait(_ timeout: Duration) { waker.wait(timeout) }
}
