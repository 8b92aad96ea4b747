import MarketModel
import Membership
import Primitives
import StoreSinks
import TapeCodec

/// The state of a partition in its worker. By an order of the membership this process becomes the
/// owner. The worker then claims the partition in the database, which fences earlier owners.
struct WorkerSlot {
    enum Stage {
        /// Not owned by this process. Next: `taken`.
        case idle
        /// Owned by this process, but not claimed in the present session of the database. Next:
        /// `held`, `idle`.
        case taken
        /// Claimed in the present session: it is read and written. Next: `taken` when the session
        /// is lost or a person accepted another position, `idle`.
        case held
    }

    let partition: Partition
    /// The numbers of its inputs: ticks, then bars.
    let inputs: [Int]
    private(set) var stage = Stage.idle
    /// The tenure and the epoch from the order by which this process owns it; `nil` when it does
    /// not.
    private(set) var claim: Claim?
    /// The positions of its inputs in the database, in the same order, as of the last COMMIT; `nil`
    /// when not claimed in this tenure. They outlive a session.
    private(set) var stored: [SinkPosition?] = [nil, nil] {
        didSet { hasApart = stored.contains { $0?.apart.isEmpty == false } }
    }
    /// Whether groups of tables wait apart at its inputs.
    private(set) var hasApart = false
    /// Whether the groups' writers were told of them.
    var isPosted = false
    /// The number of the reading (`WorkerQueue`) while the partition is claimed, else `nil`.
    /// Packets of another number were read before the last claim.
    private(set) var reading: UInt64?
    /// While it is taken, it is not claimed again before this time.
    private var waitsUntil = MonotonicTime.distantPast
    /// When it was ordered, to measure the time until its first claim; `nil` after that claim.
    private(set) var takenAt: MonotonicTime?

    init(_ partition: Partition) {
        self.partition = partition
        inputs = InputNumber.both(of: partition)
    }

    /// Returns the position of an input in the database.
    func stored(_ input: Int) -> SinkPosition? {
        inputs.firstIndex(of: input).flatMap { stored[$0] }
    }

    /// Notes a committed position. What it says of the last batch is stored, and not needed any
    /// more.
    mutating func store(_ position: SinkPosition, of input: Int) {
        guard let index = inputs.firstIndex(of: input) else { return }
        stored[index] = position
        stored[index]?.forgetBatch()
    }

    /// Notes how far a group of tables has come that waits apart. Returns whether that is new.
    mutating func note(_ own: SinkPosition, of group: TableGroup, _ input: Int) -> Bool {
        guard let index = inputs.firstIndex(of: input),
            let known = stored[index]?.apart[group]?.position, known.ownerEpoch == own.ownerEpoch,
            known.position?.sequence ?? 0 < own.position?.sequence ?? 0
        else { return false }
        stored[index]?.apart[group]?.position = own
        return true
    }

    /// Notes the order to own the partition.
    mutating func take(_ claim: Claim, now: MonotonicTime) {
        self.claim = claim
        stage = .taken
        takenAt = now
    }

    /// Whether it has to be claimed now.
    func isToClaim(at now: MonotonicTime) -> Bool { stage == .taken && now >= waitsUntil }

    /// Notes that the claim has to be repeated, at this time.
    mutating func wait(until time: MonotonicTime) { waitsUntil = time }

    /// Notes the claim in the database, which begins this reading. For the first claim of a tenure,
    /// returns the nanoseconds since the order; `nil` for a repeated one.
    mutating func opened(reading: UInt64, now: MonotonicTime) -> Int64? {
        stage = .held
        self.reading = reading
        defer { takenAt = nil }
        return takenAt.map { now - $0 }
    }

    /// Notes that the claim has to be repeated, after a lost session or a changed position. The
    /// stored positions stay known, so that another owner's claim in between is recognised.
    mutating func sessionLost() {
        reading = nil
        if stage == .held { stage = .taken }
    }

    /// Notes that the process does not own the partition any more.
    mutating func forget() { self = WorkerSlot(partition) }

    /// Returns the view for the intake; `nil` when this process does not own the partition.
    func view(isOwn: Bool = true) -> PartitionView? {
        claim.map {
            PartitionView(
                partition: partition, tenure: $0.tenure, isOwn: isOwn, reading: reading,
                stored: stored)
        }
    }
}
