internal import MarketModel
internal import Primitives

/// When the next request for past trades may leave.
struct BinanceRequestPace: Sendable {
    private(set) var at = MonotonicTime.distantPast
    private var backoff = Backoff(
        first: .nanoseconds(BinanceLimits.fetchInterval),
        limit: .nanoseconds(BinanceLimits.fetchWaitMax))
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed &+ 1) }

    mutating func answered(_ now: Moment) {
        backoff.reset()
        at = now.monotonic + BinanceLimits.fetchInterval
    }

    mutating func failed(_ now: Moment) {
        at = now.monotonic.advanced(by: backoff.next(using: &random))
    }

    /// Waits as long as the exchange says after too many requests.
    mutating func limited(_ retryAfter: Int64?, isBanned: Bool, _ now: Moment) {
        let usual = isBanned ? BinanceLimits.bannedWait : BinanceLimits.limitedWait
        let wait = max(BinanceLimits.fetchInterval, retryAfter ?? usual)
        at = now.monotonic + min(wait, BinanceLimits.holeAgeMax)
    }
}
