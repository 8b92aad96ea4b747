import MarketModel
import Primitives

/// Ordinals of one source that are not accounted for by rows of their own.
struct SinkGap: Hashable, Sendable {
    enum Reason: String, Sendable {
        /// Missing on the tape itself.
        case hole
        /// The tape gave out ordinals again that were stored before; their ticks were left out.
        case givenTwice = "given_twice"
        /// There was no room for them in the queue, and its policy is to drop: counted as skipped.
        case dropped
    }

    let source: SourceName
    let ordinals: ClosedRange<UInt64>
    let reason: Reason
    /// Of the packet that showed it.
    let epoch: UInt64

    /// The database's numbers are signed.
    func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.text)
            json.member("first_ordinal", Int64(clamping: ordinals.lowerBound))
            json.member("last_ordinal", Int64(clamping: ordinals.upperBound))
            json.member("reason", reason.rawValue)
            json.member("detail", "epoch \(epoch)")
        }
    }

    /// `count` of the range would trap on more than an `Int` holds.
    var ordinalCount: UInt64 {
        let (sum, overflow) = (ordinals.upperBound - ordinals.lowerBound)
            .addingReportingOverflow(1)
        return overflow ? UInt64.max : sum
    }
}
