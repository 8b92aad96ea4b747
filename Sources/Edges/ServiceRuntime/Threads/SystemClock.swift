internal import Glibc
package import Primitives

/// The clocks of the machine. Pure code gets times as parameters; they are read here.
package struct SystemClock: Sendable {
    package init() {}

    /// Returns the wall clock in UTC. It can jump, so never measure a wait with it.
    package func now() -> Timestamp { Timestamp(nanoseconds: read(CLOCK_REALTIME)) }

    /// Returns the time since some moment at boot. It never jumps.
    package func monotonic() -> MonotonicTime { MonotonicTime(nanoseconds: read(CLOCK_MONOTONIC)) }

    /// Returns a deadline on the monotonic clock. A negative timeout has passed already; one beyond
    /// the range is clamped.
    package func deadline(after timeout: Duration) -> MonotonicTime {
        monotonic().advanced(by: timeout)
    }

    /// Returns the time that is left until `deadline` of the monotonic clock; never negative.
    package func remaining(until deadline: MonotonicTime) -> Duration {
        max(.zero, deadline.duration(since: monotonic()))
    }

    private func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        let result = unsafe clock_gettime(clock, &time)
        precondition(result == 0, "the system has no clock \(clock): errno \(errno)")
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    /// For `poll`: rounded up, so that a wait never ends before its deadline and never spins at it.
    package var pollMilliseconds: Int32 {
        let nanoseconds = clampedNanoseconds
        guard nanoseconds > 0 else { return 0 }
        let milliseconds = (nanoseconds - 1) / 1_000_000 + 1
        return Int32(min(milliseconds, Int64(Int32.max)))
    }
}
