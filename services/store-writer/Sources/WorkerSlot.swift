import MarketModel
import Membership
import Primitives

/// The state of a partition in its worker. An order of the membership makes this process the owner.
/// A *claim* writes that into the database, so that earlier owners cannot write any more.
struct WorkerSlot {
    enum Stage {
        /// Not owned by this process. Next: `taken`.
        case idle
        /// Owned by this process, but not claimed in the present session of the database. Next:
        /// `held`, `idle`.
        case taken
        /// Claimed: it is read and written. Next: `taken` when the session is lost, `idle`.
        case held
    }

    let partition: Partition
    /// The numbers of its inputs: ticks, then bars.
    let inputs: [Int]
    private(set) var stage = Stage.idle
    /// The order by which this process owns it; `nil` when it does not.
    private(set) var claim: Claim?
    /// The positions of its inputs in the database, in the same order; `nil` when not claimed in
    /// this tenure.
    private(set) var stored: [SinkPosition?] = [nil, nil]
    /// The number of the reading while it is held, else `nil`. Packets of another number were read
    /// in an earlier session.
    private(set) var reading: UInt64?
    /// When it was ordered; `nil` once its claim was reported.
    private(set) var takenAt: MonotonicTime?

    init(_ partition: Partition) {
        self.partition = partition
        inputs = InputNumber.both(of: partition)
    }

    /// Returns the position of an input in the database.
    func stored(_ input: Int) -> SinkPosition? {
        inputs.firstIndex(of: input).flatMap { stored[$0] }
    }

    /// Notes a committed position. Its gaps are stored, so they are not needed any more.
    mutating func store(_ position: SinkPosition, of input: Int) {
        guard let index = inputs.firstIndex(of: input) else { return }
        stored[index] = position
        stored[index]?.gaps = []
    }

    /// Notes the order to own the partition.
    mutating func take(_ claim: Claim, now: MonotonicTime) {
        self.claim = claim
        stage = .taken
        takenAt = now
    }

    /// Notes the claim in the database. The first time, returns how long it took since the order,
    /// in nanoseconds.
    mutating func opened(reading: UInt64, now: MonotonicTime) -> Int64? {
        stage = .held
        self.reading = reading
        defer { takenAt = nil }
        return takenAt.map { now - $0 }
    }

    /// Notes a lost session. The partition is claimed again in the next one. The stored positions
    /// stay known.
    mutating func sessionLost() {
        reading = nil
        if stage == .held { stage = .taken }
    }

    /// Notes that the process does not own the partition any more.
    mutating func forget() { self = WorkerSlot(partition) }

    /// Returns the view for the intake; `nil` when the partition was never ordered.
    func view(isOwn: Bool = true) -> PartitionView? {
        claim.map {
            PartitionView(
                partition: partition, tenure: $0.tenure, isOwn: isOwn, reading: reading,
                stored: stored)
        }
    }
}
