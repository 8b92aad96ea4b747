import MarketModel
import Membership

/// A partition of a worker: this process's own, or not.
struct PartitionSlot {
    enum Stage {
        /// Another member's, or nobody's. Then: `taken`.
        case idle
        /// This process's, and not claimed in the present session of the database. Then: `held`,
        /// `idle`.
        case taken
        /// Claimed: read and written. Then: `taken` when the session is lost, `idle`.
        case held
    }

    let partition: Partition
    /// Ticks and bars.
    let inputs: [Int]
    private(set) var stage = Stage.idle
    private(set) var claim: Claim?
    /// Of its inputs, as it stands in the database; nil: not claimed in this tenure.
    private(set) var stored: [SinkPosition?] = [nil, nil]
    /// While it is held: what is of another one was read in an earlier session.
    private(set) var reading: UInt64?
    /// When it was ordered; nil when its claim was told.
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

    /// Claimed in the database; answers how long that took since the order, the first time.
    mutating func opened(reading: UInt64, now: Int64) -> Int64? {
        stage = .held
        self.reading = reading
        defer { takenAt = nil }
        return takenAt.map { now - $0 }
    }

    /// The session is lost: it is claimed again in the next one. What is stored stays known.
    mutating func sessionLost() {
        reading = nil
        if stage == .held { stage = .taken }
    }

    mutating func forget() { self = PartitionSlot(partition) }

    /// nil: nobody has asked for it.
    func view(isOwn: Bool = true) -> PartitionView? {
        claim.map {
            PartitionView(
                partition: partition, tenure: $0.tenure, isOwn: isOwn, reading: reading,
                stored: stored)
        }
    }
}
