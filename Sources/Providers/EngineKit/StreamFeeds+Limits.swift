package import MarketModel
package import Primitives

// The limits that services of streams have in common: connections and symbols.
extension StreamFeeds {
    /// What is known of one connection.
    package struct Connection: Sendable {
        package var isReady: Bool
        package var isWanted: Bool
        /// When the next attempt begins.
        package var retryAt: MonotonicTime
        /// Why it is not there; empty: there is nothing to say.
        package var reason: String

        package init(isReady: Bool, isWanted: Bool, retryAt: MonotonicTime, reason: String) {
            self.isReady = isReady
            self.isWanted = isWanted
            self.retryAt = retryAt
            self.reason = reason
        }
    }

    /// Returns the limit of connections. `max` is what the service allows.
    package static func limit(
        of connections: [Connection], max: Int, _ now: MonotonicTime
    ) -> ProviderLimit {
        let absent = connections.filter { $0.isWanted && !$0.isReady }
        let until = absent.map(\.retryAt).max().flatMap { $0 > now ? $0 : nil }
        return ProviderLimit(
            .connections, used: connections.count(where: \.isReady), max: max,
            waiting: absent.count, until: until,
            reason: absent.first { !$0.reason.isEmpty }?.reason ?? "")
    }

    /// Returns the symbols that a connection delivers, and those that wait for that or are refused.
    /// `max` is what the account has, `nil` when nothing says so.
    package func symbols(link: Int, max: Int?, reason: String) -> ProviderLimit {
        var (delivered, waiting): (Set<String>, Set<String>) = ([], [])
        for feed in list where feed.isWanted && feed.channel.comes(on: link) {
            if feed.on[link].isConfirmed {
                delivered.insert(feed.name)
            } else {
                waiting.insert(feed.name)
            }
        }
        waiting.subtract(delivered)
        return ProviderLimit(
            .symbols, used: delivered.count, max: max, waiting: waiting.count,
            reason: waiting.isEmpty ? "" : reason)
    }

    /// Returns the requests of the last minute on a connection, and the feeds that wait for one.
    package func requests(
        _ rate: StreamRequestRate, link: Int, _ now: MonotonicTime
    ) -> ProviderLimit {
        let waiting = list.count {
            $0.isWanted && $0.channel.comes(on: link) && !$0.on[link].isAsked
                && !$0.on[link].isRefused
        }
        let rounds = Int64(Swift.max(0, waiting - 1) / Swift.max(1, rate.perRequest))
        return ProviderLimit(
            .requests, used: rate.used, max: Int(60_000_000_000 / rate.interval),
            waiting: waiting,
            until: waiting > 0 ? Swift.max(now, rate.sendAt) + rounds * rate.interval : nil)
    }
}

/// The requests on one connection: one leaves in `interval`, each for so many feeds.
package struct StreamRequestRate: Sendable {
    /// Those of the last minute.
    package var used: Int
    package var interval: Int64
    package var perRequest: Int
    package var sendAt: MonotonicTime

    package init(used: Int, interval: Int64, perRequest: Int, sendAt: MonotonicTime) {
        self.used = used
        self.interval = interval
        self.perRequest = perRequest
        self.sendAt = sendAt
    }
}
