package import MarketModel
package import Primitives

/// What a service says of the requests that it takes. Spans are nanoseconds.
package struct RequestLimits: Sendable {
    /// What the service is called in messages, as "the exchange".
    package var service: String
    /// The wait after a failure, which doubles up to the longest one.
    package var failedWait: Int64
    package var failedWaitMax: Int64
    /// The wait after too many requests, when the service does not say how long; the same after it
    /// has banned the address.
    package var limitedWait: Int64
    package var bannedWait: Int64
    /// The longest wait that the service may want. Then it is asked again.
    package var limitedWaitMax: Int64

    package init(
        service: String, failedWait: Int64, failedWaitMax: Int64 = 60_000_000_000,
        limitedWait: Int64 = 30_000_000_000, bannedWait: Int64 = 300_000_000_000,
        limitedWaitMax: Int64 = 3_600_000_000_000
    ) {
        self.service = service
        self.failedWait = failedWait
        self.failedWaitMax = failedWaitMax
        self.limitedWait = limitedWait
        self.bannedWait = bannedWait
        self.limitedWaitMax = limitedWaitMax
    }

    /// Says that the service takes no more requests.
    package func words(isBanned: Bool) -> String {
        isBanned ? "\(service) has banned this address" : "too many requests"
    }
}

/// When the next request may leave.
package struct RequestPace: Sendable {
    package let limits: RequestLimits
    package private(set) var at = MonotonicTime.distantPast
    private var backoff: Backoff
    private var random: SeededRandom

    package init(_ limits: RequestLimits, seed: UInt64) {
        self.limits = limits
        backoff = Backoff(
            first: .nanoseconds(limits.failedWait), limit: .nanoseconds(limits.failedWaitMax))
        random = SeededRandom(seed: seed &+ 1)
    }

    /// `interval` is what the request is to cost of the service's limit, as a time.
    package mutating func answered(_ now: Moment, interval: Int64) {
        backoff.reset()
        at = now.monotonic + interval
    }

    package mutating func failed(_ now: Moment) {
        at = now.monotonic.advanced(by: backoff.next(using: &random))
    }

    /// Waits as long as the service says after too many requests.
    package mutating func limited(_ retryAfter: Int64?, isBanned: Bool, _ now: Moment) {
        let usual = isBanned ? limits.bannedWait : limits.limitedWait
        let wait = max(limits.failedWait, retryAfter ?? usual)
        at = now.monotonic + min(wait, limits.limitedWaitMax)
    }
}
