import Primitives

/// How long after its sending the tape took a packet, by the clocks of the two: of the packets that
/// were read in the last minute or two, the one farthest from zero. Below zero, one clock is wrong.
struct TapeDelay {
    /// A packet counts for this long at least, and for twice as long at most. So a partition that
    /// has nothing new does not show for ever what was the matter at its last packet.
    static let windowNanoseconds: Int64 = 60_000_000_000

    private var present: Int64?
    private var before: Int64?
    private var begun = MonotonicTime.distantPast

    /// Notes a packet. One whose sender gave no time says nothing.
    mutating func note(taken: Timestamp, sent: Timestamp) {
        guard sent.isDefined else { return }
        present = Self.farther(present, taken.nanoseconds(since: sent))
    }

    /// Returns the time in nanoseconds; `nil` when no packet counts.
    mutating func farthest(now: MonotonicTime) -> Int64? {
        if now >= begun + Self.windowNanoseconds {
            (before, present, begun) = (present, nil, now)
        }
        return before.map { Self.farther(present, $0) } ?? present
    }

    private static func farther(_ one: Int64?, _ other: Int64) -> Int64 {
        guard let one, one.magnitude >= other.magnitude else { return other }
        return one
    }
}
