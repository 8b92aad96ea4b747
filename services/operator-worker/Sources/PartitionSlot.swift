import MarketModel
import TapeCodec

/// A partition on its way to work, and at work.
struct PartitionSlot {
    let partition: Partition
    let reader: Int
    let lane: Int
    var stage = Stage.waiting(until: Int64.min, reason: nil)
    /// From the moment that it is decided how it begins.
    var core: PartitionOperator?
    var isHeld = false
    /// Raised whenever it begins anew: answers to older questions count no more.
    var tenure: UInt64 = 0
    /// An image is on its way to the bucket.
    var isWriting = false
    /// When the way to work began.
    var beganAt = Int64.min
    /// It begins because a person asked for a rebuild; until the new line stands.
    var isRebuilding = false
    /// It was told that it is caught up with what stands.
    var isCaughtUp = false
    var way = ""
    var checkpoint: Kept?

    enum Stage {
        /// Then: `looking`.
        case waiting(until: Int64, reason: String?)
        /// Whether the partition may be taken. Then: `opening`, `waiting`, `stopped`.
        case looking
        /// The lane's epoch, at least at this ordinal. Then: `finding`.
        case opening(ordinal: UInt64)
        /// What stands, now that nobody else adds to it. Then: `working`, `opening`, `waiting`.
        case finding
        case working
        /// What was computed has to leave before it begins anew. Then: `opening`.
        case leaving
        case stopped(String)
    }

    /// The newest checkpoint of the partition.
    struct Kept: Sendable {
        var number: UInt64
        var sequence: UInt64
        var byteCount: Int
        /// Monotonic.
        var at: Int64
    }
}
