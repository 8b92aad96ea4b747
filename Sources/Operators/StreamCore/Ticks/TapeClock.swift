public import MarketModel
public import Primitives

/// The time of throttles and times to live: the latest time of a tick on the tape so far, so that
/// it never goes back where two sources' receive times overlap.
struct TapeClock: Hashable, Sendable {
    private(set) var now = Int64.min

    init() {}

    init(now: Int64) { self.now = now }

    @inline(__always)
    mutating func advance(to time: Timestamp) {
        // A time that nobody gave says nothing; one beyond all windows is damage, and would stop
        // the clock for ever.
        guard time.isUsable else { return }
        now = max(now, time.nanoseconds)
    }

    /// From a moment of this clock to now, held at the range's end.
    @inline(__always)
    func elapsed(since moment: Int64) -> Int64 {
        let (difference, overflow) = now.subtractingReportingOverflow(moment)
        return overflow ? Int64.max : difference
    }
}

extension TickHeader {
    /// Where a tick stands for stages: when it was received. One that was fetched later stands
    /// where it would have come, and not where it was fetched.
    @inlinable @inline(__always)
    public var stageTime: Timestamp { flags.contains(.backfilled) ? eventTime : receiveTime }
}
