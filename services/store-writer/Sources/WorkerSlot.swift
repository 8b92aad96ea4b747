import MarketModel
import Membership

/// The state of a partition in its worker.
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
    /// Its inputs: ticks and bars.
    let inputs: [Int]
    private(set) var stage = Stage.idle
    private(set) var claim: Claim?
    /// The positions of its inputs in the database; `nil` when not claimed in this tenure.
    private(set) var stored: [SinkPosition?] = [nil, nil]
    /// The number of the reading while it is held. Packets of another number were read in an
    /// earlier session.
    private(set) var reading: UInt64?
    /// When it was ordered; `nil` once its claim was reported.
    private(set) var takenAt: Int64?

    init(_ partition: Partition) {
        self.partition = partition
        inputs = InputNumber.both(of: partition)
    }

    func stored(_ input: Int) -> SinkPosition? {
        inputs.firstIndex(of: input).flatMap { stored[$0] }
    }

    mutating func store(_ position: SinkPosition, of input: Int) {
        guard let index = inputs.firstIndex(of: input) else { return }
        stored[index] = position
        stored[index]?.gaps = []
    }

    mutating func take(_ claim: Claim, now: Int64) {
        self.claim = claim
        stage = .taken
        takenAt = now
    }

    /// Notes the claim in the database. The first time, returns how long it took since the order,
    /// in nanoseconds.
    mutating func opened(reading: UInt64, now: Int64) -> Int64? {
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
