package import MarketModel
package import Primitives

/// What a service says of the requests that it takes. Spans are nanoseconds.
package struct RequestLimits: Sendable {
    /// What the service is called in messages, as "the exchange".
    package var service: String
    /// The wait after a failure, which doubles up to the longest one.
    package var failedWait: Int64
    package var failedWaitMax: Int64 = 60_000_000_000
    /// The wait after too many requests, when the service does not say how long; the same after it
    /// has banned the address.
    package var limitedWait: Int64
    package var bannedWait: Int64 = 300_000_000_000
    /// The longest wait that the service may want. Then it is asked again.
    package var limitedWaitMax: Int64 = 3_600_000_000_000
    /// What the service counts, and which time one of it is to cost; 0: the service states no
    /// number.
    package var counted = ProviderLimit.Name.requests
    package var unit: Int64 = 0
    /// What a request costs that was not answered, as a time.
    package var failedCost: Int64 = 0

    package init(
        service: String, failedWait: Int64, limitedWait: Int64 = 30_000_000_000
    ) {
        self.service = service
        self.failedWait = failedWait
        self.limitedWait = limitedWait
    }

    /// Says that the service does not have a symbol.
    package func noSymbol(_ name: String) -> String {
        "\(service) has no symbol \(name): check how it is written"
    }

    /// Says that the service takes no more requests.
    package func words(isBanned: Bool) -> String {
        isBanned ? "\(service) has banned this address" : "too many requests"
    }
}

/// When the next request may leave, and what was used of the service's limit.
package struct RequestPace: Sendable {
    package let limits: RequestLimits
    package private(set) var at = MonotonicTime.distantPast
    private var backoff: Backoff
    private var random: SeededRandom
    private var used = MinuteWindow()
    /// Why the next one waits longer than usual; empty: it does not.
    private var reason = ""

    package init(_ limits: RequestLimits, seed: UInt64) {
        self.limits = limits
        backoff = Backoff(
            first: .nanoseconds(limits.failedWait), limit: .nanoseconds(limits.failedWaitMax))
        random = SeededRandom(seed: seed &+ 1)
    }

    /// `interval` is what the request is to cost of the service's limit, as a time.
    package mutating func answered(_ now: Moment, interval: Int64) {
        backoff.reset()
        reason = ""
        at = now.monotonic + interval
        note(interval, now)
    }

    /// Waits longer after each failure in a row.
    package mutating func failed(_ reason: String, _ now: Moment) {
        self.reason = reason
        at = now.monotonic.advanced(by: backoff.next(using: &random))
        note(limits.failedCost, now)
    }

    /// Waits as long as the service says after too many requests.
    package mutating func limited(_ retryAfter: Int64?, isBanned: Bool, _ now: Moment) {
        let usual = isBanned ? limits.bannedWait : limits.limitedWait
        let wait = max(limits.failedWait, retryAfter ?? usual)
        at = now.monotonic + min(wait, limits.limitedWaitMax)
        reason = "\(isBanned ? 418 : 429): \(limits.words(isBanned: isBanned))"
        note(limits.failedCost, now)
    }

    /// Returns what was used in the last minute, and what waits for the next request.
    package func limit(waiting: Int, _ now: MonotonicTime) -> ProviderLimit {
        let isLater = at > now
        return ProviderLimit(
            limits.counted, used: used.sum(now),
            max: limits.unit > 0 ? Int(60_000_000_000 / limits.unit) : nil, waiting: waiting,
            until: waiting > 0 && isLater ? at : nil, reason: isLater ? reason : "")
    }

    private mutating func note(_ interval: Int64, _ now: Moment) {
        used.add(limits.unit > 0 ? max(1, Int(interval / limits.unit)) : 1, now.monotonic)
    }
}
