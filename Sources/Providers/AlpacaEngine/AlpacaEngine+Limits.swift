internal import EngineKit
package import MarketModel
package import Primitives

extension AlpacaEngine {
    /// Returns the service's limits, and what waits for each. How many symbols an account has is
    /// known when the service has refused one more.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let market = links[AlpacaEndpoint.market.rawValue]
        let connections = links.map {
            StreamFeeds.Connection(
                isReady: $0.state == .ready, isWanted: $0.isWanted, retryAt: $0.retry.at,
                reason: $0.refusal.isEmpty ? $0.reason : $0.refusal)
        }
        var symbols = feeds.symbols(
            link: market.endpoint.rawValue, max: nil, reason: market.symbolsRefused)
        if !market.symbolsRefused.isEmpty { symbols.max = symbols.used }
        return [
            StreamFeeds.limit(of: connections, max: links.count, now), symbols,
            feeds.requests(
                StreamRequestRate(
                    used: market.sent.sum(now), interval: AlpacaLimits.requestInterval,
                    perRequest: market.asking.symbolsMax, sendAt: market.asking.sendAt),
                link: market.endpoint.rawValue, now),
        ]
    }
}
