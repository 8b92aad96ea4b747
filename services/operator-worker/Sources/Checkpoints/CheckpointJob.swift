import MarketModel
import TapeCodec

/// What the data plane asks of the thread that talks to the bucket. `tenure` comes back with the
/// answer, so that one to an older question of the same partition is told apart.
enum CheckpointJob: Sendable {
    /// What stands, before the lane is opened; and after, with what it goes on behind.
    case look(Partition, tenure: UInt64, lane: LaneEnd?)
    case write(Partition, tenure: UInt64, CheckpointImage, epoch: UInt64)

    struct LaneEnd: Sendable {
        var ordinal: UInt64
        var epoch: UInt64
    }
}

enum CheckpointAnswer: Sendable {
    case found(Partition, tenure: UInt64, RecoverySituation)
    /// The question has to be asked again.
    case notFound(Partition, tenure: UInt64, reason: String)
    case written(Partition, tenure: UInt64, CheckpointOutcome, Written)
    case notWritten(Partition, tenure: UInt64, reason: String)
    /// A person wants these partitions' bars made anew.
    case requested([Partition])

    struct Written: Sendable {
        var sequence: UInt64
        var byteCount: Int
        var nanoseconds: Int64
    }
}
