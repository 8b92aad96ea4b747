import Primitives
import TapeCodec

/// Decides when a partition's next checkpoint is due: when computing the input since the last one
/// again would take the partition's share of the worker's time, and after some seconds.
struct CheckpointSchedule: Sendable {
    /// The number of partitions that share the worker's thread, this one included.
    var sharing = 1
    private var work: Int64 = 0
    /// The sequence of the last image; `nil` when the present state is due again.
    private var sequence: UInt64?
    private var takenAt = MonotonicTime.distantPast
    private var retryAt = MonotonicTime.distantPast
    /// Whether a checkpoint is due immediately, because something was computed that takes long to
    /// compute again.
    var isDueAtOnce = false
    /// Whether no more checkpoints are taken.
    var isOver = false

    /// Begins after `position`, that of the restored checkpoint; `nil` when none was restored.
    init(behind position: TapePosition?) { sequence = position?.sequence ?? 0 }

    private var workMax: Int64 {
        CheckpointTimes.recomputeNanosecondsMax / Int64(max(1, sharing))
    }

    mutating func took(ticks: Int) {
        work += CheckpointTimes.packetNanoseconds + Int64(ticks) * CheckpointTimes.tickNanoseconds
    }

    func isDue(at position: TapePosition?, now: MonotonicTime, isLast: Bool) -> Bool {
        guard !isOver, let position, position.sequence != sequence else { return false }
        return isLast || isDueAtOnce || work >= workMax
            || now - takenAt >= CheckpointTimes.intervalNanoseconds
    }

    func isBaseDue(now: MonotonicTime) -> Bool { !isOver && now >= retryAt }

    mutating func took(imageAt position: TapePosition?, now: MonotonicTime) {
        sequence = position?.sequence ?? 0
        work = 0
        isDueAtOnce = false
        takenAt = now
        // A base is not tried again before it is known that it was not stored.
        retryAt = .never
    }

    /// Makes a checkpoint due immediately, even if the present state is stored already.
    mutating func demand() {
        sequence = nil
        isDueAtOnce = true
    }

    mutating func failed(now: MonotonicTime) {
        sequence = nil
        retryAt = now + CheckpointTimes.retryNanoseconds
    }
}
