internal import Primitives
internal import MarketModel

/// The difference of the provider's clock from ours, and the floor, which is a time of the
/// provider's clock: none of the later live records has an earlier event time.
///
/// The wall clock is trusted as long as it advances like the monotonic one. After a step of more
/// than a second the floor does not move for a minute, or until the step is undone. Another step
/// within that minute begins another minute.
struct ProviderClock: Sendable {
    private static let stepMax = EngineLimits.second
    private static let stepHold = 60 * EngineLimits.second

    /// The provider's clock minus ours, in nanoseconds. The provider reports whole seconds, so this
    /// is the smallest difference that explains its last answer; 0: both clocks may agree.
    private(set) var offset: Int64 = 0
    /// Undefined before the first call of `drained`.
    private(set) var floor = Timestamp.undefined
    /// When the first question left that is not answered yet, by our wall clock; `nil`: all are
    /// answered.
    private var asked: Timestamp?
    /// Wall clock minus monotonic clock when the wall clock was last trusted, in nanoseconds; `nil`
    /// before the first call of `drained`.
    private var anchor: Int64?
    /// The last step of the wall clock; `nil`: the wall clock is trusted, and the floor moves.
    private var step: Step?

    private struct Step {
        /// When it was noticed, monotonic.
        var since: MonotonicTime
        /// Wall clock minus monotonic clock since then, in nanoseconds.
        var difference: Int64
    }

    /// Notes that the provider is asked for its time.
    mutating func ask(_ now: Moment) { asked = asked ?? now.wall }

    /// Forgets open questions: no answer comes after the end of the connection.
    mutating func disconnected() { asked = nil }

    /// Takes the provider's answer, in whole seconds: at some time between question and answer, its
    /// clock was within this second. Sets and returns `offset`. The longer the answer was on its
    /// way, the less it shows.
    mutating func answered(_ second: Timestamp, _ now: Moment) -> Int64 {
        let least = second.nanoseconds(since: now.wall)
        let (most, isPast) = second.nanoseconds(since: asked ?? now.wall)
            .addingReportingOverflow(EngineLimits.second)
        asked = nil
        if least > 0 {
            offset = least
        } else if !isPast, most < 0 {
            offset = most
        } else {
            offset = 0
        }
        return offset
    }

    /// Returns a time of our wall clock by the provider's clock (`offset`).
    func aligned(_ time: Timestamp) -> Timestamp { time.advanced(byNanoseconds: offset) }

    /// Moves the floor to `delay` nanoseconds before now, if the wall clock is trusted. `delay`:
    /// how late the slowest feed may be. `waiting`: the event time of the earliest record that is
    /// still to be delivered, which the floor must not pass; undefined: there is none. Returns true
    /// when the wall clock has just made a step.
    mutating func drained(
        _ now: Moment, delay: Int64, waiting: Timestamp = .undefined
    ) -> Bool {
        let (difference, isPast) = now.wall.nanoseconds
            .subtractingReportingOverflow(now.monotonic.nanoseconds)
        guard !isPast else { return false }
        let anchor = anchor ?? difference
        if Self.isStep(from: anchor, to: difference) {
            guard let step, !Self.isStep(from: step.difference, to: difference) else {
                self.step = Step(since: now.monotonic, difference: difference)
                self.anchor = anchor
                return true
            }
            guard now.monotonic >= step.since + Self.stepHold else { return false }
        }
        step = nil
        self.anchor = difference
        let reached = min(aligned(now.wall).advanced(byNanoseconds: -delay), waiting)
        floor = floor.isDefined ? max(floor, reached) : reached
        return false
    }

    /// Returns whether the clocks differ by more or less than they may drift apart.
    private static func isStep(from before: Int64, to after: Int64) -> Bool {
        let (drift, isFar) = after.subtractingReportingOverflow(before)
        return isFar || drift.magnitude > stepMax.magnitude
    }
}
