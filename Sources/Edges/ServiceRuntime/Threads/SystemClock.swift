internal import Glibc
public import Primitives

/// The clocks of the machine. Pure code gets times as parameters; they are read here.
public struct SystemClock: Sendable {
    public init() {}

    /// Returns the wall clock in UTC. It can jump, so never measure a wait with it.
    public func now() -> Timestamp { read(CLOCK_REALTIME) }

    /// Returns nanoseconds since some moment at boot: only differences have a meaning. It never
    /// jumps.
    public func monotonic() -> Timestamp { read(CLOCK_MONOTONIC) }

    /// Returns a deadline on the monotonic clock. A negative timeout has passed already; one beyond
    /// the range is clamped.
    public func deadline(after timeout: Duration) -> Timestamp {
        monotonic().advanced(byNanoseconds: timeout.clampedNanoseconds)
    }

    /// Returns the time that is left until `deadline` of the monotonic clock; never negative.
    public func remaining(until deadline: Timestamp) -> Duration {
        .nanoseconds(max(0, deadline.nanoseconds(since: monotonic())))
    }

    private func read(_ clock: clockid_t) -> Timestamp {
        var time = timespec()
        let result = unsafe clock_gettime(clock, &time)
        precondition(result == 0, "the system has no clock \(clock): errno \(errno)")
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

extension Duration {
    /// For `poll`: rounded up, so that a wait never ends before its deadline and never spins at it.
    var pollMilliseconds: Int32 {
        let nanoseconds = clampedNanoseconds
        guard nanoseconds > 0 else { return 0 }
        let milliseconds = (nanoseconds - 1) / 1_000_000 + 1
        return Int32(min(milliseconds, Int64(Int32.max)))
    }
}
