import MarketModel
import Membership
import OperatorGraph
import TapeCodec

/// A partition that may come to this worker: on its way to work, at work, on its way out, or
/// somebody else's.
///
/// A class: the worker looks at every slot in every turn, and a value of this size would be copied
/// for that, with a reference count for each of its arrays. Its worker's thread alone has it.
final class PartitionSlot {
    let partition: Partition
    let reader: Int
    let lane: Int
    var stage = Stage.idle
    /// How it came to this worker; nil: it is not this worker's own.
    var claim: Claim?
    /// From the moment that it is decided how it begins.
    var core: PartitionOperator?
    var isHeld = false
    /// Raised whenever it begins anew or ends: answers to older questions count no more.
    var round: UInt64 = 0
    /// An image is on its way to the bucket.
    var isWriting = false
    /// Monotonic: when it was ordered, when the marker of its epoch stood, and when the way to work
    /// began, which may be several times.
    var orderedAt: Int64 = 0
    var openedAt: Int64?
    var beganAt = Int64.min
    /// It reads, or did once since it was taken.
    var hasRead = false
    /// It begins because a person asked for a rebuild; until the new line stands.
    var isRebuilding = false
    /// It was told that it is caught up with what stands.
    var isCaughtUp = false
    var way = ""
    /// With the first bars in progress that are told.
    var openBars: OpenBars?
    /// Of the share over all partitions: those that it does not wait for, as was told last.
    var leftOut: [Int] = []
    /// What came of the last repair; empty: there was none since it was taken.
    var lastRepair = ""
    /// What repairs left out since it was taken.
    var repairOmissions = RepairOmissions()
    /// Of the last packet with bars that it published; 0: none since it was taken.
    var headSequence: UInt64 = 0
    var checkpoint: Kept?
    /// Where the checkpoints stand that are known to, the newest first: two at most.
    var standing: [UInt64] = []

    enum Stage {
        /// Somebody else's. Then: `waiting`.
        case idle
        /// Then: `looking`.
        case waiting(until: Int64, reason: String?)
        /// Whether the partition may be taken. Then: `opening`, `waiting`, `stopped`.
        case looking
        /// The lane's epoch, at least at this ordinal. Then: `finding`.
        case opening(ordinal: UInt64)
        /// What stands, now that nobody else adds to it. Then: `restored`, `opening`, `waiting`.
        case finding
        /// Its state is there; its reader is opened when no other partition waits for its marker.
        /// Then: `working`.
        case restored(TapePosition?)
        case working
        /// What was computed has to leave before it begins anew. Then: `waiting`.
        case leaving
        /// Another member waits for it: what was computed leaves and is kept, until the time given.
        /// Then: `idle`.
        case releasing(since: Int64, until: Int64)
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

    init(partition: Partition, reader: Int, lane: Int, round: UInt64 = 0) {
        self.partition = partition
        self.reader = reader
        self.lane = lane
        self.round = round
    }

    var isOwned: Bool { claim != nil }

    /// It is on its way in or out, and others wait for that.
    var isMoving: Bool {
        switch stage {
        case .looking, .opening, .finding, .restored, .releasing: return true
        case .waiting(_, let reason): return reason == nil
        case .working: return !hasRead
        case .idle, .leaving, .stopped: return false
        }
    }

    /// Others let it go first: until its marker stands nobody works on the partition.
    var isWaitingForMarker: Bool {
        switch stage {
        case .waiting(_, let reason): return reason == nil
        case .looking, .opening: return openedAt == nil
        case .idle, .finding, .restored, .working, .leaving, .releasing, .stopped: return false
        }
    }

    /// Another one may be damaged, and then the one before it counts; 0: not known.
    var durable: UInt64 { standing.count < 2 ? 0 : standing[1] }

    func keep(sequence: UInt64, isBase: Bool) {
        standing = isBase ? [sequence] : [sequence] + standing.prefix(1)
    }
}

extension PartitionSlot.Stage {
    var name: String {
        switch self {
        case .idle: "idle"
        case .waiting: "waiting"
        case .looking: "looking"
        case .opening: "opening"
        case .finding: "finding"
        case .restored: "restored"
        case .working: "working"
        case .leaving: "leaving"
        case .releasing: "releasing"
        case .stopped: "stopped"
        }
    }
}
