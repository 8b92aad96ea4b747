import MarketModel
import Primitives

/// A gap that has ended, and that the service's past is to fill.
struct EndedGap: Sendable {
    /// The place of its feed.
    let place: Int
    let instrument: UInt32
    let name: String
    let span: Range<Timestamp>
    let reason: GapReason
    /// The part of which no earlier process delivered anything. What came of the rest is not known,
    /// so that it cannot be told from what did not.
    let known: Range<Timestamp>
    /// Whether it ended in an earlier process.
    let isInherited: Bool
}

/// Bounds of filling that are no settings.
package enum FillLimits {
    /// The gaps that wait. Beyond it a gap stays.
    package static let gapsMax = 4_096
    /// How long the past is asked for a gap, after its end. Then the rest of the gap stays.
    package static let ageMax: Int64 = 86_400_000_000_000
    /// The longest part of a gap that is asked for: its end. What is earlier stays.
    package static let spanMax: Int64 = 7 * 86_400_000_000_000
    /// The pages of one gap. What is beyond stays.
    package static let pagesMax = 1_000
    /// How long the end of a gap has to be over where the account does not get the last quarter of
    /// an hour, and how long nothing is asked for after another refusal.
    package static let deniedAge: Int64 = 960_000_000_000
    package static let deniedWait: Int64 = 3_600_000_000_000
    /// The fetched trades that are known when they are reported late all the same.
    static let fetchedKept = 65_536
}
