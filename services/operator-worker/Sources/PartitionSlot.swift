import MarketModel
import Membership
import OperatorGraph
import Primitives
import TapeCodec

/// The state of one partition, or of the share over all partitions, in this worker: about to work,
/// working, about to leave, or owned by another worker. In the comments below "it" is the
/// partition.
///
/// The type is a class: the worker looks at slots in each turn, and a value of this size would
/// be copied for that, with a reference count for each of its arrays. Only the worker's thread uses
/// a slot.
final class PartitionSlot {
    let partition: Partition
    /// The index of its reader of input, and of its lane of bars. Both are the index of the slot.
    let reader: Int
    let lane: Int
    var stage = Stage.idle
    /// The claim by which this worker owns it; `nil` when it does not.
    var claim: Claim?
    /// The pure machine that computes the partition's output, set as soon as it is decided how the
    /// partition begins; `nil` before.
    var core: PartitionOperator?
    /// Whether its reader is held, so that the core gets no packet.
    var isHeld = false
    /// The number that jobs for the checkpoint threads carry. It rises whenever the partition
    /// begins again or ends, and answers with an older number are ignored.
    var round: UInt64 = 0
    var progress = Progress()
    var checkpoints = Checkpoints()
    var repairs = Repairs()
    /// Publishes the bars of its open windows to live readers; `nil` before the first time.
    var openBars: OpenBars?
    /// For the share over all partitions: the partitions for which it does not wait, as last
    /// reported. Their bars are too late.
    var leftOut: [Int] = []
    /// The sequence of the last packet with output that it published; 0 when there is none since it
    /// was taken.
    var headSequence: UInt64 = 0

    /// How it began.
    struct Progress {
        /// Monotonic times: when the membership ordered to take it, when the first marker of this
        /// owner was stored (`nil` before), and when it last began to prepare for work, which may
        /// happen several times.
        var orderedAt = MonotonicTime.distantPast
        var openedAt: MonotonicTime?
        var beganAt = MonotonicTime.distantPast
        /// The end of the output that was read before the lane was opened, and the epoch of the
        /// marker that follows it directly; `nil` when that packet states no output.
        var standing: (end: PublishedEnd, epoch: UInt64)?
        /// Whether its reader reads, or did since the partition was taken or last began again.
        var hasRead = false
        /// Whether it begins because of a rebuild request. True until the first checkpoint of the
        /// new line of output is stored.
        var isRebuilding = false
        /// Whether it was reported that all output on the tape was computed again.
        var isCaughtUp = false
        /// `Beginning.Way`, for the report: `start`, `checkpoint` or `base`; empty before.
        var way = ""
    }

    struct Checkpoints {
        /// Whether an image of the core's state is on its way to the bucket of checkpoints.
        var isWriting = false
        /// The last one that this worker stored; `nil` before the first one.
        var last: Kept?
        /// The sequences of the last inputs of the known ones, the newest first. Two at most.
        var known: [UInt64] = []
    }

    struct Repairs: Sendable {
        /// The result of the last one; empty when there was none since the partition was taken.
        var last = ""
        /// What they left out since then.
        var omissions = RepairOmissions()
    }

    /// How far the partition has come. From each stage of an owned partition two more ways lead on:
    /// to `storing` or `releasing` when the membership orders it, and to `idle` when another worker
    /// has it.
    enum Stage {
        /// Owned by another worker, or by none. Next: `waiting`.
        case idle
        /// Waits until a monotonic time. The reason is for people; it is `nil` when the partition
        /// has just been taken and nothing was tried yet. Next: `looking`.
        case waiting(until: MonotonicTime, reason: String?)
        /// The checkpoint thread finds out whether the partition may be taken. Next: `opening`,
        /// `waiting`, `stopped`.
        case looking
        /// The lane opens its epoch, and its next ordinal has to be at least this. Next: `finding`.
        case opening(ordinal: UInt64)
        /// The checkpoint thread reads checkpoints and output, to which no other worker can add
        /// now. Next: `restored`, `opening`, `waiting`, `stopped`.
        case finding
        /// The state is restored. The reader opens when no other partition waits for its marker. It
        /// opens at this position; `nil` is the start of the tape. Next: `working`, `leaving`.
        case restored(TapePosition?)
        /// Its reader reads, and its output is published. Next: `leaving`, `storing`, `releasing`.
        case working
        /// A person requested a rebuild. Computed output has to be published before the partition
        /// begins again. Next: `waiting`.
        case leaving
        /// Another member waits for it since the given monotonic time. It still works, so that its
        /// bars do not pause while its state is stored. Next: `releasing`.
        case storing(since: MonotonicTime)
        /// It reads no more. Computed output is published, and the state is stored if the next
        /// owner would have much to compute again, until the given monotonic time at the latest.
        /// Next: `idle`.
        case releasing(since: MonotonicTime, until: MonotonicTime)
        /// A person has to act, for this reason. Next: `waiting`, after a rebuild request.
        case stopped(String)
    }

    /// A stored checkpoint.
    struct Kept: Sendable {
        var number: UInt64
        /// The sequence of its last input.
        var sequence: UInt64
        var byteCount: Int
        /// When it was stored, monotonic.
        var at: MonotonicTime
    }

    init(partition: Partition, reader: Int, lane: Int, round: UInt64 = 0) {
        self.partition = partition
        self.reader = reader
        self.lane = lane
        self.round = round
    }

    var isOwned: Bool { claim != nil }

    /// Whether it is about to work or to leave. The loop then waits for shorter times, because the
    /// partition makes no bars meanwhile.
    var isMoving: Bool {
        switch stage {
        case .looking, .opening, .finding, .restored, .storing, .releasing: return true
        case .waiting(_, let reason): return reason == nil
        case .working: return !progress.hasRead
        case .idle, .leaving, .stopped: return false
        }
    }

    /// Whether its marker is on its way. The worker's other partitions then wait with loading their
    /// state, because no worker works on this one until its marker is stored.
    var isWaitingForMarker: Bool {
        switch stage {
        case .waiting(_, let reason): return reason == nil
        case .looking, .opening: return progress.openedAt == nil
        case .idle, .finding, .restored, .working, .leaving, .storing, .releasing, .stopped:
            return false
        }
    }

    /// Whether its reader reads, as far as the core can take packets.
    var takesPackets: Bool {
        switch stage {
        case .working, .storing: return true
        case .idle, .waiting, .looking, .opening, .finding, .restored, .leaving, .releasing,
            .stopped:
            return false
        }
    }

    /// The position from which the partition can always be restored: that of the older checkpoint,
    /// because the newest may be damaged. 0 when not known.
    var durable: UInt64 {
        checkpoints.known.count < 2 ? 0 : checkpoints.known[1]
    }

    /// Notes the input sequence of a stored checkpoint. A base makes all earlier ones invalid.
    func keep(sequence: UInt64, isBase: Bool) {
        checkpoints.known = isBase ? [sequence] : [sequence] + checkpoints.known.prefix(1)
    }
}

extension PartitionSlot.Stage {
    /// The stage's name in /status.
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
        case .storing: "storing"
        case .releasing: "releasing"
        case .stopped: "stopped"
        }
    }
}
