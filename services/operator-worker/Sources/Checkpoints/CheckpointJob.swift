import MarketModel
import TapeCodec

/// What the data plane asks of the threads that talk to the bucket. `round` comes back with the
/// answer, so that one to an older question of the same partition is told apart.
enum CheckpointJob: Sendable {
    /// Whether the lane may be opened.
    case look(Partition, round: UInt64)
    /// What stands, now that the lane is open, and what it goes on behind.
    case find(Partition, round: UInt64, lane: LaneEnd)
    case write(Partition, round: UInt64, CheckpointImage, epoch: UInt64)
    case repair(Partition, number: UInt64, RepairQuestion)

    struct LaneEnd: Sendable {
        var ordinal: UInt64
        var epoch: UInt64
    }

    var partition: Partition {
        switch self {
        case .look(let partition, _), .find(let partition, _, _), .write(let partition, _, _, _),
            .repair(let partition, _, _):
            return partition
        }
    }
}

enum CheckpointAnswer: Sendable {
    case found(Partition, round: UInt64, RecoverySituation)
    /// The question has to be asked again.
    case notFound(Partition, round: UInt64, reason: String)
    case written(Partition, round: UInt64, CheckpointOutcome, Written)
    case notWritten(Partition, round: UInt64, reason: String)
    case repair(RepairAnswer, number: UInt64)
    /// A person wants these partitions' bars made anew.
    case requested([Partition])

    struct Written: Sendable {
        var sequence: UInt64
        var isBase: Bool
        var byteCount: Int
        var nanoseconds: Int64
    }
}
