package import MarketModel
package import Primitives

/// When the next request for the past may leave.
package struct BinanceRequestPace: Sendable {
    package private(set) var at = MonotonicTime.distantPast
    private var backoff = Backoff(
        first: .nanoseconds(BinanceLimits.fetchInterval),
        limit: .nanoseconds(BinanceLimits.fetchWaitMax))
    private var random: SeededRandom

    package init(seed: UInt64) { random = SeededRandom(seed: seed &+ 1) }

    /// `interval` is what the request is to cost of the exchange's limit, as a time.
    package mutating func answered(
        _ now: Moment, interval: Int64 = BinanceLimits.fetchInterval
    ) {
        backoff.reset()
        at = now.monotonic + interval
    }

    package mutating func failed(_ now: Moment) {
        at = now.monotonic.advanced(by: backoff.next(using: &random))
    }

    /// Waits as long as the exchange says after too many requests.
    package mutating func limited(_ retryAfter: Int64?, isBanned: Bool, _ now: Moment) {
        let usual = isBanned ? BinanceLimits.bannedWait : BinanceLimits.limitedWait
        let wait = max(BinanceLimits.fetchInterval, retryAfter ?? usual)
        at = now.monotonic + min(wait, BinanceLimits.holeAgeMax)
    }
}
