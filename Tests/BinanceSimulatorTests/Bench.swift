import Primitives
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

/// A simulated exchange in memory with its clients.
typealias Bench = VenueBench<ExchangeSite>

extension VenueBench where Site == ExchangeSite {
    init(
        symbols: [String] = ["BTCUSDT", "ETHUSDT"], rate: Int = 200, seed: UInt64 = 1,
        _ change: (inout WebSettings) -> Void = { _ in }
    ) {
        var settings = WebSettings()
        settings.keepsTruth = true
        settings.keepsMarketLog = true
        change(&settings)
        self.init(
            ExchangeSite(
                settings,
                market: ExchangeMarket(
                    symbols: symbols.compactMap { ExchangeSymbol($0) }, seed: seed, rate: rate)))
    }

    /// Returns the ids of the trades in events of plain streams.
    static func ids(_ texts: [String]) throws -> [UInt64] {
        try texts.compactMap { try JSONValue.parse($0)["t"]?.uint64 }
    }
}
