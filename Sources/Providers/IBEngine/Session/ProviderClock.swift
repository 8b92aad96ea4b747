internal import Primitives
internal import MarketModel

/// Up to when nothing more can come, by the provider's clock.
///
/// The wall clock is believed as long as it goes on as the monotonic one does: after a step of more
/// than a second the floor stands still until the new time has held for a minute.
struct ProviderClock: Sendable {
    private static let stepMax = EngineLimits.second
    private static let stepHold = 60 * EngineLimits.second

    /// What has to be added to our clock to read the provider's.
    private(set) var offset: Int64 = 0
    private(set) var floor = Timestamp.undefined
    /// When the question left that is not answered yet.
    private var asked: Timestamp?
    private var anchor: Int64?
    private var heldSince: Int64?

    mutating func ask(_ now: Moment) { asked = asked ?? now.wall }

    /// On this connection nobody answers any more.
    mutating func disconnected() { asked = nil }

    /// The provider tells whole seconds: its clock showed this second or any part of it, at some
    /// time between question and answer. Gives the difference that is certain, 0 where both clocks
    /// may agree: an answer that was long on its way says little.
    mutating func told(_ second: Timestamp, _ now: Moment) -> Int64 {
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

    func aligned(_ time: Timestamp) -> Timestamp { time.advanced(byNanoseconds: offset) }

    /// `waiting`: a record that is still to be told has this time; undefined: there is none. True:
    /// the clock has made a step just now.
    mutating func drained(
        _ now: Moment, delay: Int64, waiting: Timestamp = .undefined
    ) -> Bool {
        let (difference, isPast) = now.wall.nanoseconds.subtractingReportingOverflow(now.monotonic)
        guard !isPast else { return false }
        let anchor = anchor ?? difference
        let (drift, isFar) = difference.subtractingReportingOverflow(anchor)
        if isFar || abs(drift) > Self.stepMax {
            guard let since = heldSince else {
                heldSince = now.monotonic
                self.anchor = anchor
                return true
            }
            guard now.monotonic >= since.later(by: Self.stepHold) else { return false }
        }
        heldSince = nil
        self.anchor = difference
        let reached = min(aligned(now.wall).advanced(byNanoseconds: -delay), waiting)
        floor = floor.isDefined ? max(floor, reached) : reached
        return false
    }
}
