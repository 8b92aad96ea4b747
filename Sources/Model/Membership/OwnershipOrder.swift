package import MarketModel

/// The way in which a partition came to its present owner.
package struct Claim: Hashable, Sendable {
    /// The number of this process's claim, raised with every claim. Every order and answer about
    /// the partition carries it, so that those of an earlier tenure can be recognised.
    package var tenure: UInt64
    /// The epoch in the ownership record. The owner's epoch on the tape is at least this.
    package var epoch: UInt64
    /// The previous owner; `nil` when no owner was recorded.
    package var previous: MemberName?
    /// True when that owner handed the partition over in order, or when there was none, so that
    /// nothing was cut short.
    package var wasReleased: Bool

    package init(tenure: UInt64, epoch: UInt64, previous: MemberName?, wasReleased: Bool) {
        self.tenure = tenure
        self.epoch = epoch
        self.previous = previous
        self.wasReleased = wasReleased
    }
}

/// An order to a data plane about a partition.
package enum OwnershipOrder: Hashable, Sendable {
    /// The partition belongs to this process from now on. The data plane answers `opened` when its
    /// epoch is open.
    case take(Partition, Claim)
    /// The partition goes to another member. The data plane stops reading, lets what it computed
    /// leave, saves its state, and answers `released`. Until then the partition belongs to this
    /// process.
    case release(Partition, tenure: UInt64)
    /// Another member already has the partition: forget it. No answer is needed.
    case drop(Partition, tenure: UInt64)

    package var partition: Partition {
        switch self {
        case .take(let partition, _), .release(let partition, _), .drop(let partition, _):
            return partition
        }
    }

    package var tenure: UInt64 {
        switch self {
        case .take(_, let claim): return claim.tenure
        case .release(_, let tenure), .drop(_, let tenure): return tenure
        }
    }
}

/// A data plane's answer about a partition.
package enum OwnershipAnswer: Hashable, Sendable {
    /// The marker of this epoch is on the tape, or in the database.
    case opened(Partition, tenure: UInt64, epoch: UInt64)
    /// Nothing of the partition is in progress any more: another member may have it.
    case released(Partition, tenure: UInt64)
    /// A higher epoch was met where the partition's results go: another process owns it.
    case lost(Partition, tenure: UInt64, reason: String)

    package var partition: Partition {
        switch self {
        case .opened(let partition, _, _), .released(let partition, _), .lost(let partition, _, _):
            return partition
        }
    }

    package var tenure: UInt64 {
        switch self {
        case .opened(_, let tenure, _), .released(_, let tenure), .lost(_, let tenure, _):
            return tenure
        }
    }
}
