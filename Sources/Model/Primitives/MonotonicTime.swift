/// A moment of the monotonic clock: nanoseconds since an arbitrary start, so only differences have
/// a meaning. A time of the calendar is a `Timestamp`; neither can stand for the other.
///
/// Spans are `Duration`, or `Int64` nanoseconds inside of the pure machines. All arithmetic
/// saturates: no limit and no silence is long enough to trap the process.
@frozen
public struct MonotonicTime: Hashable, Comparable, Sendable, BitwiseCopyable {
    public var nanoseconds: Int64

    @inlinable @inline(__always)
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Returns the moment this many nanoseconds after the clock's start, for clocks of tests.
    package static func at(_ nanoseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: nanoseconds)
    }

    /// Before every reading of the clock, even with any span added: it never happened, or it is due
    /// immediately.
    @inlinable @inline(__always)
    public static var distantPast: MonotonicTime { MonotonicTime(nanoseconds: Int64.min) }

    /// After every reading of the clock: it is not due at any time.
    @inlinable @inline(__always)
    public static var never: MonotonicTime { MonotonicTime(nanoseconds: Int64.max) }

    @inlinable @inline(__always)
    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Returns the moment this many nanoseconds later.
    @inlinable @inline(__always)
    public static func + (time: MonotonicTime, nanoseconds: Int64) -> MonotonicTime {
        let (sum, overflow) = time.nanoseconds.addingReportingOverflow(nanoseconds)
        guard overflow else { return MonotonicTime(nanoseconds: sum) }
        return nanoseconds < 0 ? distantPast : never
    }

    @inlinable @inline(__always)
    public static func += (time: inout MonotonicTime, nanoseconds: Int64) {
        time = time + nanoseconds
    }

    /// Returns the moment this many nanoseconds earlier.
    @inlinable @inline(__always)
    public static func - (time: MonotonicTime, nanoseconds: Int64) -> MonotonicTime {
        let (difference, overflow) = time.nanoseconds.subtractingReportingOverflow(nanoseconds)
        guard overflow else { return MonotonicTime(nanoseconds: difference) }
        return nanoseconds < 0 ? never : distantPast
    }

    /// Returns the nanoseconds from `earlier` to `later`.
    @inlinable @inline(__always)
    public static func - (later: MonotonicTime, earlier: MonotonicTime) -> Int64 {
        let (difference, overflow) = later.nanoseconds
            .subtractingReportingOverflow(earlier.nanoseconds)
        guard overflow else { return difference }
        return later < earlier ? Int64.min : Int64.max
    }

    /// Returns the first later moment that is a multiple of this many nanoseconds after the clock's
    /// start. The processes of a machine share the clock. Work that is repeated at such moments is
    /// due in all of them together, so that they and their servers wake up once for all of it.
    @inlinable
    public func next(every nanoseconds: Int64) -> MonotonicTime {
        precondition(nanoseconds > 0, "an interval is a time, not \(nanoseconds)")
        let rest = self.nanoseconds % nanoseconds
        return self + (rest < 0 ? -rest : nanoseconds - rest)
    }

    @inlinable
    public func advanced(by span: Duration) -> MonotonicTime { self + span.clampedNanoseconds }

    @inlinable
    public func duration(since earlier: MonotonicTime) -> Duration { .nanoseconds(self - earlier) }
}
