import Primitives

/// What a reading of one partition's bars proves: from which ordinal on the tape has every version
/// up to the last one of before versions were kept, and when it took them. Pure.
struct VersionProof {
    /// The last ordinal from before versions were kept.
    let last: UInt64
    /// The highest time at which the tape took a packet so far: when the packet that was taken last
    /// was known. The writer counts in the same way.
    private(set) var tapeTime = Timestamp.undefined
    /// The first ordinal after the last hole; `nil` before the first packet.
    private(set) var first: UInt64?
    /// When the packet with the first ordinal was known. What was on the tape before it was known
    /// by then, too.
    private(set) var since = Timestamp.undefined
    /// The ordinal after the last packet.
    private(set) var reached: UInt64 = 0
    /// The highest ordinal with which the stored versions of a bar begin that lacks earlier ones.
    private var incomplete: UInt64 = 0

    init(last: UInt64) { self.last = last }

    /// Takes the next packet: its first ordinal, and the one after its last.
    mutating func take(_ ordinals: Range<UInt64>, at time: Timestamp) {
        tapeTime = tapeTime.isDefined ? max(tapeTime, time) : time
        if first == nil || ordinals.lowerBound != reached {
            first = ordinals.lowerBound
            since = tapeTime
        }
        reached = ordinals.upperBound
    }

    /// Notes that what is stored of a bar begins with this ordinal, and is not all of it.
    mutating func noteIncomplete(from ordinal: UInt64) { incomplete = max(incomplete, ordinal) }

    /// The ordinal after which every version is known to be kept; `nil` while the reading has not
    /// reached the last one of before, or if the tape has nothing of before.
    var keptAfter: UInt64? {
        guard let first, first <= last, reached > last else { return nil }
        return min(last, max(first > 0 ? first - 1 : 0, incomplete))
    }
}
