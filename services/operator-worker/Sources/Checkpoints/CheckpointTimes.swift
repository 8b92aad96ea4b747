/// When checkpoints are written, and how often something is tried.
enum CheckpointTimes {
    static let slots: UInt64 = 3
    /// Tries of one write before the checkpoint is given up; the next one is due soon.
    static let triesMax = 4
    /// A call to the bucket takes no longer.
    static let callTimeout = Duration.seconds(2)
    /// Of a partition whose position moved at all.
    static let intervalNanoseconds: Int64 = 5_000_000_000
    /// After a base could not be written.
    static let retryNanoseconds: Int64 = 1_000_000_000
    static let requestsNanoseconds: Int64 = 2_000_000_000

    /// What all partitions of a worker may have to compute again after a crash.
    static let recomputeNanosecondsMax: Int64 = 100_000_000
    /// What taking a packet again costs, read from the tape, and each of its ticks.
    static let packetNanoseconds: Int64 = 20_000
    static let tickNanoseconds: Int64 = 200
}
