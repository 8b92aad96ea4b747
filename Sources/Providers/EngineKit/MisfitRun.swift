package import Primitives

/// Records of one feed that do not fit the tape. One alone is a gap of its own moment. Where they
/// come one soon after the other, each gap goes on for a while after its record, so that a few gaps
/// hold all of them: one in ten seconds at most, once a run lasts.
package struct MisfitRun: Sendable {
    /// After a longer pause a run is over, unless its gap lasts. So long is the first gap of a run.
    private static let pause: Int64 = 1_000_000_000
    /// Gaps of a run become longer up to this.
    private static let spanMax: Int64 = 10_000_000_000
    /// A record that is so much earlier than the run belongs to none, or the run does not.
    private static let lateMax: Int64 = 60_000_000_000

    /// What the gaps of the run hold, without a hole.
    private var from = Timestamp.undefined
    private var to = Timestamp.undefined
    private var span: Int64 = 0

    package init() {}

    /// Takes the time of such a record. Returns the gap to put on the tape; `nil`: it lies in one
    /// that is there.
    package mutating func add(_ time: Timestamp) -> Range<Timestamp>? {
        let own = time..<time.advanced(byNanoseconds: 1)
        guard from.isDefined, time >= from else {
            if !from.isDefined || from.nanoseconds(since: time) > Self.lateMax { begin(own) }
            return own
        }
        guard time >= to else { return nil }
        guard time.nanoseconds(since: to) < Self.pause else {
            begin(own)
            return own
        }
        span = span == 0 ? Self.pause : min(2 * span, Self.spanMax)
        let gap = to..<time.advanced(byNanoseconds: span)
        to = gap.upperBound
        return gap
    }

    private mutating func begin(_ own: Range<Timestamp>) {
        (from, to, span) = (own.lowerBound, own.upperBound, 0)
    }
}
