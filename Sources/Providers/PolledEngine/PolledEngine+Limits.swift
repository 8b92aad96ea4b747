internal import EngineKit
package import MarketModel
package import Primitives

extension PolledEngine {
    /// Returns the service's limit of requests, and the series that are due and wait for it.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let pace = max(1, settings.table.pace)
        let due = series.count { $0.isWanted && $0.dueAt <= now } - (underWay?.places.count ?? 0)
        let waiting = max(0, due)
        // CoinGecko's series of one currency come with one request.
        let together = settings.table == .coingecko ? PolledLimits.coinsPerRequest : 1
        let rounds = Int64(max(0, waiting - 1) / together)
        let isLater = retry.at > now
        return [
            ProviderLimit(
                .requests, used: retry.window.sum(now), max: Int(60_000_000_000 / pace),
                waiting: waiting,
                until: waiting > 0 ? max(now, retry.at) + rounds * pace : nil,
                reason: isLater && retry.failures > 0 ? reason : "")
        ]
    }
}
