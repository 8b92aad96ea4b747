internal import MarketModel
internal import Primitives

/// When something came of a feed, and how long nothing may come of it in busy hours. Then it is
/// requested again.
struct SilenceWatch: Sendable {
    /// When anything last came of it, monotonic and by the wall clock. A request that leaves sets
    /// the first one too, and a subscription that delivers again sets both: silence is measured
    /// from there.
    var last = MonotonicTime.distantPast
    var lastWall = Timestamp.undefined
    /// The usual pauses between its ticks.
    var rhythm = Rhythm()
    /// How long nothing may come, in nanoseconds: at first `silentAfter`, and twice as long after
    /// each such silence.
    private(set) var patience: Int64
    /// The number of ticks since the last such silence.
    private var ticks = 0

    init(patience: Int64) { self.patience = patience }

    /// Notes a tick. 16 ticks show that the feed is busy again, and reset `patience` to
    /// `silentAfter`.
    @inline(__always)
    mutating func came(_ now: Moment, _ silentAfter: Int64) {
        begin(now)
        rhythm.came(now.monotonic)
        guard patience != silentAfter else { return }
        ticks += 1
        if ticks >= 16 { patience = silentAfter }
    }

    /// Measures a silence from now.
    @inline(__always)
    mutating func begin(_ now: Moment) { (last, lastWall) = (now.monotonic, now.wall) }

    /// Returns whether nothing has come for `patience`.
    func isOver(_ now: Moment) -> Bool { now.monotonic >= last + patience }

    /// Notes that the feed is requested again because of a silence.
    mutating func endSilence() {
        patience = min(patience.doubled, EngineLimits.refusedWait)
        ticks = 0
    }
}
