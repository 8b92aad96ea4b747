public import MarketModel

/// How a partition came to its present owner.
public struct Claim: Hashable, Sendable {
    /// Of this process: raised with every claim. Each word about the partition carries it, so that
    /// one about an earlier tenure is told apart.
    public var tenure: UInt64
    /// Of the ownership record. The owner's epoch on the tape is at least this.
    public var epoch: UInt64
    /// Who had it before; nil: nobody is on record.
    public var previous: MemberName?
    /// That one handed it over in order, or nobody had it: nothing was cut short.
    public var wasReleased: Bool

    public init(tenure: UInt64, epoch: UInt64, previous: MemberName?, wasReleased: Bool) {
        self.tenure = tenure
        self.epoch = epoch
        self.previous = previous
        self.wasReleased = wasReleased
    }
}

/// What a data plane is to do about a partition.
public enum OwnershipOrder: Hashable, Sendable {
    /// It is this process's own from now on. Answered by `opened` when its epoch stands.
    case take(Partition, Claim)
    /// It goes to another member: read no more of it, let leave what was computed, keep it, and
    /// answer `released`. Until then it is this process's own.
    case release(Partition, tenure: UInt64)
    /// Another member has it already: forget it. No answer is needed.
    case drop(Partition, tenure: UInt64)

    public var partition: Partition {
        switch self {
        case .take(let partition, _), .release(let partition, _), .drop(let partition, _):
            return partition
        }
    }

    public var tenure: UInt64 {
        switch self {
        case .take(_, let claim): return claim.tenure
        case .release(_, let tenure), .drop(_, let tenure): return tenure
        }
    }
}

/// What a data plane says of a partition.
public enum OwnershipNews: Hashable, Sendable {
    /// The marker of this epoch stands on the tape, or in the database.
    case opened(Partition, tenure: UInt64, epoch: UInt64)
    /// Nothing of it is under way any more: another member may have it.
    case released(Partition, tenure: UInt64)
    /// A higher epoch was met where the partition's results go: somebody else owns it.
    case lost(Partition, tenure: UInt64, reason: String)

    public var partition: Partition {
        switch self {
        case .opened(let partition, _, _), .released(let partition, _), .lost(let partition, _, _):
            return partition
        }
    }

    public var tenure: UInt64 {
        switch self {
        case .opened(_, let tenure, _), .released(_, let tenure), .lost(_, let tenure, _):
            return tenure
        }
    }
}
