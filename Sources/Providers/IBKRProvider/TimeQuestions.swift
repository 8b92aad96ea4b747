internal import MarketModel
internal import Primitives

/// When TWS is asked for its time, which shows whether this host's clock is right: every minute,
/// and more often while the host's clock has stepped and the gateway has not followed the step.
struct TimeQuestions {
    /// The intervals, in nanoseconds.
    private static let interval: Int64 = .seconds(60)
    private static let intervalAfterStep: Int64 = .seconds(10)
    /// The host's clock has stepped if it differs more than this from the gateway's time, in
    /// nanoseconds.
    private static let stepMin: UInt64 = 1_000_000_000

    /// When TWS was last asked, monotonic.
    private var asked = MonotonicTime.distantPast

    /// Returns true when the next question is due, and notes it. `now` is the gateway's time,
    /// `host` that of the host's clock.
    mutating func isDue(_ now: Moment, host: Timestamp) -> Bool {
        let isStepped = host.nanoseconds(since: now.wall).magnitude > Self.stepMin
        let wait = isStepped ? Self.intervalAfterStep : Self.interval
        guard now.monotonic >= asked + wait else { return false }
        asked = now.monotonic
        return true
    }
}
