import Primitives
import TapeCodec

/// Decides when a partition's next checkpoint is due: when computing the input since the last one
/// again would take the partition's share of `CheckpointTimes.recomputeNanosecondsMax`, and after
/// an interval in any case. Each checkpoint costs two durable writes. So the interval is long for a
/// partition that has little to compute again and for which the tape has to keep little.
struct CheckpointSchedule: Sendable {
    /// The number of partitions that share the worker's thread, this one included.
    var sharing = 1
    /// The estimated nanoseconds to compute the input since the last image again.
    private var work: Int64 = 0
    /// The sequence of the last image's input, which needs no second image; `nil` when the present
    /// state may be due although its input is the same.
    private var sequence: UInt64?
    /// How many images were made since the beginning, or since one was not stored. The tape can be
    /// purged up to the older one of two checkpoints, so the second one follows soon.
    private var images = 0
    /// When the last image was made, monotonic.
    private var takenAt = MonotonicTime.distantPast
    /// When the checkpoint of a new line of output may be tried, monotonic.
    private var retryAt = MonotonicTime.distantPast
    /// Whether a checkpoint is due immediately, because something was computed that takes long to
    /// compute again.
    var isDueAtOnce = false
    /// Whether no more checkpoints are taken.
    var isOver = false

    /// Begins after `position`, that of the restored checkpoint; `nil` when none was restored.
    init(behind position: TapePosition?) { sequence = position?.sequence ?? 0 }

    /// The work from which on a checkpoint is due, in nanoseconds.
    private var workMax: Int64 {
        CheckpointTimes.recomputeNanosecondsMax / Int64(max(1, sharing))
    }

    /// Notes that a packet was taken.
    mutating func took(ticks: Int) {
        work += CheckpointTimes.packetNanoseconds + Int64(ticks) * CheckpointTimes.tickNanoseconds
    }

    /// Returns whether an image of the state at this input is due. `isLast` means that the
    /// partition is handed over, so that every new input is due.
    func isDue(at position: TapePosition?, now: MonotonicTime, isLast: Bool) -> Bool {
        guard !isOver, let position, position.sequence != sequence else { return false }
        return isLast || isDueAtOnce || work >= workMax
            || now - takenAt >= intervalNanoseconds(at: position)
    }

    private func intervalNanoseconds(at position: TapePosition) -> Int64 {
        let kept = position.sequence - min(sequence ?? 0, position.sequence)
        return images < 2 || kept > CheckpointTimes.keptPacketsMax
            ? CheckpointTimes.intervalNanoseconds : CheckpointTimes.restIntervalNanoseconds
    }

    /// Whether the present state is stored although another owner waits for the partition: that one
    /// would have much to compute again.
    var isWorthStoring: Bool {
        sequence == nil || isDueAtOnce || work > CheckpointTimes.leftNanosecondsMax
    }

    /// Returns whether the first image of a new line of output is due.
    func isBaseDue(now: MonotonicTime) -> Bool { !isOver && now >= retryAt }

    /// Notes that an image was made.
    mutating func took(imageAt position: TapePosition?, now: MonotonicTime) {
        sequence = position?.sequence ?? 0
        images += 1
        work = 0
        isDueAtOnce = false
        takenAt = now
        // A base is not tried again before `failed` reports that it was not stored.
        retryAt = .never
    }

    /// Makes a checkpoint due immediately, even if the present state is stored already.
    mutating func demand() {
        sequence = nil
        isDueAtOnce = true
    }

    /// Notes that the last image was not stored, so that another one is due.
    mutating func failed(now: MonotonicTime) {
        sequence = nil
        images = 0
        retryAt = now + CheckpointTimes.retryNanoseconds
    }
}
