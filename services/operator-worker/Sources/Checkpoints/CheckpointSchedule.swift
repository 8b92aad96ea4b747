import TapeCodec

/// Decides when a partition's next checkpoint is due: when computing again what was taken since the
/// last one would take the partition's share of the worker's time, and after some seconds.
struct CheckpointSchedule: Sendable {
    /// Partitions that share the worker's thread, this one included.
    var sharing = 1
    private var work: Int64 = 0
    /// Where the last image stood; nil: what stands now is due again.
    private var sequence: UInt64?
    private var takenAt = Int64.min
    private var retryAt = Int64.min
    /// Something was computed that takes long to compute again.
    var isDueAtOnce = false
    /// No more of them.
    var isOver = false

    /// `behind`: the checkpoint that was restored.
    init(behind position: TapePosition?) { sequence = position?.sequence ?? 0 }

    private var workMax: Int64 {
        CheckpointTimes.recomputeNanosecondsMax / Int64(max(1, sharing))
    }

    mutating func took(ticks: Int) {
        work += CheckpointTimes.packetNanoseconds + Int64(ticks) * CheckpointTimes.tickNanoseconds
    }

    func isDue(at position: TapePosition?, now: Int64, isLast: Bool) -> Bool {
        guard !isOver, let position, position.sequence != sequence else { return false }
        return isLast || isDueAtOnce || work >= workMax
            || takenAt == Int64.min || now - takenAt >= CheckpointTimes.intervalNanoseconds
    }

    func isBaseDue(now: Int64) -> Bool { !isOver && now >= retryAt }

    mutating func took(imageAt position: TapePosition?, now: Int64) {
        sequence = position?.sequence ?? 0
        work = 0
        isDueAtOnce = false
        takenAt = now
        // Of a base, until it is known that it was not stored.
        retryAt = Int64.max
    }

    /// One is due at once, even if what stands now is kept already.
    mutating func demand() {
        sequence = nil
        isDueAtOnce = true
    }

    mutating func failed(now: Int64) {
        sequence = nil
        retryAt = now + CheckpointTimes.retryNanoseconds
    }
}
