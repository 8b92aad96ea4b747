import MarketModel
import Primitives

/// Ordinals of one source that have no rows of their own.
struct SinkGap: Hashable, Sendable {
    enum Reason: String, Sendable {
        /// They are missing on the tape itself.
        case hole
        /// The tape gave out ordinals again that were stored before. Their new ticks were left out.
        case givenTwice = "given_twice"
        /// The queue had no room for them, and its policy is to drop. They are counted as skipped.
        case dropped
    }

    let source: SourceName
    let ordinals: ClosedRange<UInt64>
    let reason: Reason
    /// The epoch of the packet that revealed the gap.
    let epoch: UInt64

    /// Writes the gap. The database's numbers are signed.
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.text)
            json.member("first_ordinal", Int64(clamping: ordinals.lowerBound))
            json.member("last_ordinal", Int64(clamping: ordinals.upperBound))
            json.member("reason", reason.rawValue)
            json.member("detail", "epoch \(epoch)")
        }
    }

    /// The number of ordinals. The range's own `count` would trap on more than an `Int` holds.
    var ordinalCount: UInt64 {
        let (sum, overflow) = (ordinals.upperBound - ordinals.lowerBound)
            .addingReportingOverflow(1)
        return overflow ? UInt64.max : sum
    }
}
