import MarketModel
import Primitives
import TapeTransport

/// The source's state beside its ticks: how far the source has come, and its gaps.
struct Ledgers {
    /// How often acknowledged ordinals are recorded. Newer ones are lost when the tape is restored
    /// from a backup, unless a reader has them.
    private static let recordNanoseconds: Int64 = 1_000_000_000

    /// The gaps of this tenure whose records are not on the tape yet.
    var gaps: PendingGaps
    /// The ledgers of all gaps; `nil` when no provider fills this source's gaps.
    let tracker: GapTracker?
    /// The numbers, in their lanes, of symbols that are in no list any more but still have a gap to
    /// settle.
    var unlisted: [Symbol: UInt32] = [:]
    private let recorder: SourceRecorder
    /// What was handed to the recorder last, and when by the monotonic clock.
    private var recorded: [SourceRecord.Lane: SourceRecord.Head] = [:]
    private var recordedAt = MonotonicTime.distantPast

    init(_ source: OpenedSource) {
        gaps = source.resumption.gaps
        tracker = source.gaps
        recorder = source.recorder
    }

    /// Whether a gap record is to be written.
    var hasGapsDue: Bool { gaps.hasDue || tracker?.hasDue == true }

    /// Hands the acknowledged ordinals to the recorder if any of them has changed.
    mutating func record(_ lanes: SourceLanes, _ now: Timestamp, monotonic: MonotonicTime) {
        let present = lanes.record(time: now)
        guard present.heads != recorded, recorder.record(present) else { return }
        recorded = present.heads
        recordedAt = monotonic
    }

    /// Returns whether the acknowledged ordinals are to be recorded. `now` is monotonic.
    func isRecordDue(now: MonotonicTime) -> Bool {
        now >= recordedAt + Self.recordNanoseconds
    }

    var recordStatus: SourceRecorder.Status { recorder.status }

    func stop(within timeout: Duration) {
        recorder.stop(within: timeout)
        tracker?.stop(within: timeout)
    }
}
