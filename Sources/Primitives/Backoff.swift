/// Exponential waiting times with full jitter, up to a limit.
public struct Backoff: Sendable {
    public let first: Duration
    public let limit: Duration
    private var attempts = 0

    public init(first: Duration, limit: Duration) {
        precondition(first > .zero && limit >= first, "a backoff grows from a positive wait")
        self.first = first
        self.limit = limit
    }

    /// How often `next` was asked since the last `reset`.
    public var attempt: Int { attempts }

    /// Between a half and all of the present step: spread out, and never a busy loop.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let step = min(limit, first * (1 << min(attempts, 20)))
        attempts += 1
        return step / 2 + step / 2 * Double.random(in: 0...1, using: &random)
    }

    public mutating func reset() { attempts = 0 }
}
