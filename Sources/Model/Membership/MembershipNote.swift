public import MarketModel

/// What a person may want to know of a membership; the shell makes events and counters of it.
public enum MembershipNote: Equatable, Sendable {
    case state(MemberState, before: MemberState)
    case claimed(Partition, Claim)
    /// It is another member's to take.
    case released(Partition, epoch: UInt64)
    /// Another member's record was found; nil: the record is gone.
    case dropped(Partition, owner: MemberName?)
    /// The data plane met a higher epoch: somebody outside of the group writes there. It is claimed
    /// again after the wait, if it is still this member's.
    case fenced(Partition, reason: String, waitNanoseconds: Int64)
    case writeFailed(Partition, reason: String)
    case readFailed(String)
    case damagedRecord(Partition)
    /// The bucket is another one than before, or was put back.
    case bucketReplaced
    /// A process of the same name was there first.
    case doubled(instance: UInt64)
    case came(MemberName, instance: UInt64)
    case went(MemberName, instance: UInt64)
    case tooManyMembers(MemberName)
    /// A member that came has another lease than this one.
    case leaseDiffers(MemberName, instance: UInt64, nanoseconds: Int64)
}
