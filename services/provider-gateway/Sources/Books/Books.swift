import MarketModel
import Primitives
import TapeTransport

/// What is remembered of the source beside its ticks: how far it is, and what is missing of it.
struct Books {
    /// How often what the tape acknowledged is put on record. What is younger can be lost with a
    /// tape that is put back, unless a reader has it.
    private static let recordNanoseconds: Int64 = 1_000_000_000

    var gaps: GapBook
    /// Nil: nobody fills gaps of this source in.
    let desk: GapDesk?
    /// Of symbols in no list, of which there is something to settle: their numbers in their lanes.
    var unlisted: [Symbol: UInt32] = [:]
    private let recorder: SourceRecorder
    private var recorded: [SourceRecord.Lane: SourceRecord.Head] = [:]
    private var recordedAt = Int64.min

    init(_ source: OpenedSource) {
        gaps = source.resumption.gaps
        desk = source.gaps
        recorder = source.recorder
    }

    var hasGapsDue: Bool { gaps.hasDue || desk?.hasDue == true }

    /// Hands over what is to be put on record, if any of it is news.
    mutating func record(_ lanes: SourceLanes, _ now: Timestamp, monotonic: Int64) {
        let present = lanes.record(time: now)
        guard present.heads != recorded, recorder.record(present) else { return }
        recorded = present.heads
        recordedAt = monotonic
    }

    func isRecordDue(now: Int64) -> Bool {
        recordedAt == Int64.min || now >= recordedAt + Self.recordNanoseconds
    }

    var recordStatus: SourceRecorder.Status { recorder.status }

    func stop(within timeout: Duration) {
        recorder.stop(within: timeout)
        desk?.stop(within: timeout)
    }
}
