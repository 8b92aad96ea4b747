/// When checkpoints are written, and how often a call is tried.
enum CheckpointTimes {
    static let slots: UInt64 = 3
    /// Tries of one write before the checkpoint is skipped. The next one is due soon.
    static let triesMax = 4
    /// The deadline of a call to the bucket.
    static let callTimeout = Duration.seconds(2)
    /// The interval between checkpoints of a partition whose position has moved.
    static let intervalNanoseconds: Int64 = 5_000_000_000
    /// The wait after a base could not be written.
    static let retryNanoseconds: Int64 = 1_000_000_000
    static let requestsNanoseconds: Int64 = 2_000_000_000

    /// The time in which all partitions of a worker should compute their input again after a crash.
    static let recomputeNanosecondsMax: Int64 = 100_000_000
    /// The estimated cost of reading and taking a packet again, and of each of its ticks.
    static let packetNanoseconds: Int64 = 20_000
    static let tickNanoseconds: Int64 = 200
}
