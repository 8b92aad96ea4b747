public import MarketModel
public import Primitives

/// The clock of one source or group in a throttle or a deduplicator: the latest time of its ticks
/// on the tape so far. So it never goes back where the receive times of two members of a group
/// overlap.
struct TapeClock: Hashable, Sendable {
    private(set) var now = Int64.min

    init() {}

    init(at time: Int64) { now = time }

    /// Moves the clock, which never goes back.
    @inline(__always)
    mutating func advance(to time: Timestamp) {
        // An undefined time changes nothing. A time beyond all windows is damage, and would stop
        // the clock for ever.
        guard time.isUsable else { return }
        now = max(now, time.nanoseconds)
    }

    /// Returns the time from a moment of this clock to now, limited to the range.
    @inline(__always)
    func elapsed(since moment: Int64) -> Int64 {
        let (difference, overflow) = now.subtractingReportingOverflow(moment)
        return overflow ? Int64.max : difference
    }
}

extension TickHeader {
    /// The time by which stages order the tick: its receive time. For a tick that was fetched later
    /// it is the event time, when it would have come.
    @inlinable @inline(__always)
    public var stageTime: Timestamp { flags.contains(.backfilled) ? eventTime : receiveTime }
}
