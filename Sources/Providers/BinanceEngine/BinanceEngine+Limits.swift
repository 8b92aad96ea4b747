internal import EngineKit
package import MarketModel
package import Primitives

extension BinanceEngine {
    /// Returns the exchange's limits, and what waits for each.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let absent = links.indices.filter { link in
            !legs.contains { $0.link == link && $0.state == .open && !$0.isSuccessor }
        }
        let waiting = isAnythingWanted ? absent : []
        let retryAt = waiting.map { links[$0].retry.at }.max()
        return [
            ProviderLimit(
                .connections, used: legs.count { $0.state == .open }, max: 2 * links.count,
                waiting: waiting.count, until: retryAt.flatMap { $0 > now ? $0 : nil },
                reason: waiting.isEmpty ? "" : reason),
            streams, requests(now),
            holes.pace.limit(
                waiting: holes.waiting.count + holes.lookUps.count, now),
        ]
    }

    /// The streams of one connection, and the instruments for which it has none.
    private var streams: ProviderLimit {
        let beyond = refused.filter { $0.reason == Self.tooMany(settings.streamsMax) }
        return ProviderLimit(
            .streams, used: feeds.count(where: \.isWanted), max: settings.streamsMax,
            waiting: beyond.count, reason: beyond.first?.reason ?? "")
    }

    /// The requests on the connections, of which each takes one in `requestInterval`, and the
    /// streams that wait to be asked for.
    private func requests(_ now: MonotonicTime) -> ProviderLimit {
        var (waiting, until) = (0, MonotonicTime.distantPast)
        for leg in legs where leg.state == .open && leg.isBehind {
            let missing = feeds.indices.count {
                feeds[$0].isWanted && !($0 < leg.streams.count && leg.streams[$0].isAsked)
            }
            guard missing > 0 else { continue }
            let rounds = Int64((missing - 1) / max(1, leg.streamsMax))
            waiting += missing
            until = max(until, max(now, leg.sendAt) + rounds * BinanceLimits.requestInterval)
        }
        return ProviderLimit(
            .requests, used: numbers.sent.sum(now),
            max: Int(60_000_000_000 / BinanceLimits.requestInterval) * links.count,
            waiting: waiting, until: waiting > 0 ? until : nil)
    }

    static func tooMany(_ streams: Int) -> String {
        "a connection has at most \(streams) streams"
    }
}
