import MarketModel
import Primitives

/// A range of ordinals of one source that have no rows. The writer notes it in the table `gaps`, in
/// the transaction that advances the position. (A gap record of the tape is a row there, too, about
/// a stretch of time: `GapSink`.)
struct SinkGap: Hashable, Sendable {
    enum Reason: String, Sendable {
        /// They are missing on the tape itself.
        case hole
        /// The tape gave out ordinals again that were stored before. The new records were left out.
        case givenTwice = "given_twice"
        /// The queue had no room for them, and its policy is to drop. They are counted as skipped.
        case dropped
        /// They are of a declared batch whose packets are gone from the tape.
        case tapeLost = "tape_lost"
    }

    let source: SourceName
    var ordinals: ClosedRange<UInt64>
    let reason: Reason
    /// The epoch of the packet that revealed the gap.
    let epoch: UInt64

    /// The number of ordinals. The range's own `count` would trap on more than an `Int` holds.
    var ordinalCount: UInt64 {
        let (sum, overflow) = (ordinals.upperBound - ordinals.lowerBound)
            .addingReportingOverflow(1)
        return overflow ? UInt64.max : sum
    }
}
