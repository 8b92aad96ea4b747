import MarketModel
import TapeCodec

/// A job for the checkpoint threads. `round` is the number of the slot's present work. It is
/// returned with the answer, so that answers to older jobs of the same partition are recognised.
enum CheckpointJob: Sendable {
    /// Finds out whether the lane may be opened, which takes the partition from its earlier owner.
    case look(Partition, round: UInt64)
    /// Reads the stored checkpoints and the end of the output, after the lane was opened. `lane` is
    /// the lane's end.
    case find(Partition, round: UInt64, lane: LaneEnd)
    /// Stores an image. `epoch` is that of the partition's lane.
    case write(Partition, round: UInt64, CheckpointImage, epoch: UInt64)
    /// Answers a question of a repair, which needs no bucket but also blocks. `number` is that of
    /// the question.
    case repair(Partition, number: UInt64, RepairQuestion)

    /// The last ordinal before those of the open lane, and its epoch.
    struct LaneEnd: Sendable {
        var ordinal: UInt64
        var epoch: UInt64
        /// The end of the output before the lane's marker, if it was read before the marker, which
        /// then followed without another packet between them; `nil` when it has to be read.
        var published: PublishedEnd?
    }

    var partition: Partition {
        switch self {
        case .look(let partition, _), .find(let partition, _, _), .write(let partition, _, _, _),
            .repair(let partition, _, _):
            return partition
        }
    }
}

/// The answer to a job, or a person's request that was found.
enum CheckpointAnswer: Sendable {
    /// The answer to `look` and `find`.
    case found(Partition, round: UInt64, RecoverySituation)
    /// The job failed, and has to be sent again.
    case notFound(Partition, round: UInt64, reason: String)
    /// The answer to `write`: the image was stored, or another owner writes the checkpoints.
    case written(Partition, round: UInt64, CheckpointOutcome, Written)
    /// The image was not stored. A new one is made later.
    case notWritten(Partition, round: UInt64, reason: String)
    /// The answer to a repair's question of this number.
    case repair(RepairAnswer, number: UInt64)
    /// People have requested a rebuild of these partitions' bars. It is reported again until the
    /// rebuild has begun and stored its first checkpoint.
    case requested([Partition])

    /// What was stored, and how long it took.
    struct Written: Sendable {
        /// The sequence of the image's last input.
        var sequence: UInt64
        /// Whether it is the first checkpoint of a new line of output.
        var isBase: Bool
        var byteCount: Int
        var nanoseconds: Int64
    }
}
