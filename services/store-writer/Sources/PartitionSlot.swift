import MarketModel
import Membership

/// One input of one partition; its reader has the same number.
struct WriterInput {
    let place: SinkPlace
    /// As it stands in the database; nil: not claimed in this tenure.
    var stored: SinkPosition?
    /// Its reader is open at the position that the present session has claimed.
    var isOpen = false

    var name: String { "\(place.input) of partition \(place.partition)" }
}

/// A partition of a thread: this process's own, or not.
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
    /// Numbers of its inputs: ticks and bars.
    let inputs: [Int]
    private(set) var stage = Stage.idle
    private(set) var claim: Claim?
    /// When it was ordered; nil when its claim was told.
    private(set) var takenAt: Int64?

    init(_ partition: Partition, inputs: [Int]) {
        self.partition = partition
        self.inputs = inputs
    }

    mutating func take(_ claim: Claim, now: Int64) {
        self.claim = claim
        stage = .taken
        takenAt = now
    }

    /// Claimed in the database; answers how long that took since the order, the first time.
    mutating func opened(now: Int64) -> Int64? {
        stage = .held
        defer { takenAt = nil }
        return takenAt.map { now - $0 }
    }

    /// The session is lost: it is claimed again in the next one.
    mutating func sessionLost() { if stage == .held { stage = .taken } }

    mutating func forget() {
        stage = .idle
        claim = nil
        takenAt = nil
    }
}
