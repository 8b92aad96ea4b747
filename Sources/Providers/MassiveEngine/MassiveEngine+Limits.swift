internal import EngineKit
package import MarketModel
package import Primitives

extension MassiveEngine {
    /// Returns the service's limits, and what waits for each. The service allows one connection. It
    /// states no number of symbols.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let reason = link.refusal.isEmpty ? link.reason : link.refusal
        let connection = StreamFeeds.Connection(
            isReady: link.state == .ready && !link.isOccupied, isWanted: link.isWanted,
            retryAt: link.state == .ready
                ? link.readyAt + MassiveLimits.provenAfter : link.retry.at,
            reason: reason)
        return [
            StreamFeeds.limit(of: [connection], max: 1, now),
            feeds.symbols(
                link: 0, max: nil, reason: feeds.list.first { !$0.refusal.isEmpty }?.refusal ?? ""),
            feeds.requests(
                StreamRequestRate(
                    used: link.sent.sum(now), interval: MassiveLimits.requestInterval,
                    perRequest: MassiveLimits.symbolsPerRequest, sendAt: link.asking.sendAt),
                link: 0, now),
        ] + [reread.limit(now)].compactMap(\.self)
    }
}
