/// Exponential waiting times with full jitter, up to a limit.
public struct Backoff: Sendable {
    public let first: Duration
    public let limit: Duration
    /// The number of calls of `next` since the last `reset`.
    public private(set) var attempt = 0
    private var step: Duration

    public init(first: Duration, limit: Duration) {
        precondition(first > .zero && limit >= first, "a backoff grows from a positive wait")
        self.first = first
        self.limit = limit
        step = first
    }

    /// Returns a random time between half of the present step and all of it. Waits are spread out,
    /// and a wait is never zero, so that a retry cannot become a busy loop.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let wait = step / 2 + step / 2 * Double.random(in: 0...1, using: &random)
        attempt += 1
        step = min(limit, step + step)
        return wait
    }

    public mutating func reset() {
        attempt = 0
        step = first
    }
}
