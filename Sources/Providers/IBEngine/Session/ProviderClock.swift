internal import Primitives
internal import MarketModel

/// The floor, by the provider's clock: nothing earlier can come any more.
///
/// The wall clock is trusted as long as it advances like the monotonic one. After a step of more
/// than a second the floor does not move until the new time has lasted for a minute.
struct ProviderClock: Sendable {
    private static let stepMax = EngineLimits.second
    private static let stepHold = 60 * EngineLimits.second

    /// The provider's clock minus ours, in nanoseconds, as far as it is certain.
    private(set) var offset: Int64 = 0
    /// Undefined before the first call of `drained`.
    private(set) var floor = Timestamp.undefined
    /// When the question left that is not answered yet, by our wall clock; `nil`: none is open.
    private var asked: Timestamp?
    /// Wall clock minus monotonic clock when the wall clock was last trusted, in nanoseconds; `nil`
    /// before the first call of `drained`.
    private var anchor: Int64?
    /// When the step was noticed that stops the floor, monotonic; `nil`: the floor moves.
    private var heldSince: MonotonicTime?

    /// Notes that the provider is asked for its time.
    mutating func ask(_ now: Moment) { asked = asked ?? now.wall }

    /// Forgets the question: its answer comes on no other connection.
    mutating func disconnected() { asked = nil }

    /// Takes the provider's answer, in whole seconds. Its clock showed any part of this second at
    /// some time between question and answer. Returns the difference that is certain, in
    /// nanoseconds, or 0 when both clocks may agree. An answer that was long on its way shows
    /// little.
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

    /// Returns a time of ours by the provider's clock, as far as the difference is certain.
    func aligned(_ time: Timestamp) -> Timestamp { time.advanced(byNanoseconds: offset) }

    /// Moves the floor to `delay` nanoseconds before now. `waiting`: the time of a record that is
    /// still to be delivered, which the floor must not pass; undefined: there is none. Returns true
    /// when the clock has just made a step.
    mutating func drained(
        _ now: Moment, delay: Int64, waiting: Timestamp = .undefined
    ) -> Bool {
        let (difference, isPast) = now.wall.nanoseconds
            .subtractingReportingOverflow(now.monotonic.nanoseconds)
        guard !isPast else { return false }
        let anchor = anchor ?? difference
        let (drift, isFar) = difference.subtractingReportingOverflow(anchor)
        if isFar || abs(drift) > Self.stepMax {
            guard let since = heldSince else {
                heldSince = now.monotonic
                self.anchor = anchor
                return true
            }
            guard now.monotonic >= since + Self.stepHold else { return false }
        }
        heldSince = nil
        self.anchor = difference
        let reached = min(aligned(now.wall).advanced(byNanoseconds: -delay), waiting)
        floor = floor.isDefined ? max(floor, reached) : reached
        return false
    }
}
