/// When checkpoints are written, and how often a call is tried.
enum CheckpointTimes {
    /// The sets of keys for the parts of a checkpoint: two for the valid ones, one for the next.
    static let slots: UInt64 = 3
    /// Tries of one write before the checkpoint is given up. The next one is due soon.
    static let triesMax = 4
    /// The deadline of a call to the bucket.
    static let callTimeout = Duration.seconds(2)
    /// The longest interval between checkpoints of a partition that takes input, if the tape has
    /// to keep more than `keptPacketsMax` packets of its stream for the partition.
    static let intervalNanoseconds: Int64 = 5_000_000_000
    /// The longest interval if it has to keep fewer, as for a partition without ticks.
    static let restIntervalNanoseconds: Int64 = 30_000_000_000
    static let keptPacketsMax: UInt64 = 512
    /// The wait before the first checkpoint of a new line of output is tried again.
    static let retryNanoseconds: Int64 = 1_000_000_000
    /// The interval at which people's requests to rebuild partitions are read.
    static let requestsNanoseconds: Int64 = 2_000_000_000

    /// The time in which all partitions of a worker together should compute their input since the
    /// last checkpoints again after a crash.
    static let recomputeNanosecondsMax: Int64 = 100_000_000
    /// The time for which the next owner of a partition that is handed over may have to compute. To
    /// store the state once more would take longer.
    static let leftNanosecondsMax: Int64 = 1_000_000
    /// The estimated time to read and take a packet again, and the time for each of its ticks.
    static let packetNanoseconds: Int64 = 20_000
    static let tickNanoseconds: Int64 = 200
}
