package import MarketModel
package import Primitives

/// A change of a membership that may interest a person. The shell turns it into events and
/// counters.
package enum MembershipNote: Equatable, Sendable {
    case state(MemberState, before: MemberState)
    case claimed(Partition, Claim)
    /// Another member may take the partition.
    case released(Partition, epoch: UInt64)
    /// Another member's record was found; `owner` is `nil` when the record was deleted.
    case dropped(Partition, owner: MemberName?)
    /// The data plane met a higher epoch: a process outside of the group writes there. The
    /// partition is claimed again after the wait, if it still belongs to this member.
    case fenced(Partition, reason: String, waitNanoseconds: Int64)
    /// A write of the partition's record failed, or its outcome is unknown; it is tried again.
    case writeFailed(Partition, reason: String)
    case readFailed(String)
    /// The record of an owner cannot be read, so the partition has no owner.
    case refusedRecord(Partition, VersionedJSON.Refusal)
    /// The bucket is another one than before, or was restored from a backup.
    case bucketReplaced
    /// A process with the same name started earlier.
    case doubled(instance: UInt64)
    /// Another process of the group was heard, for the first time or after its death.
    case came(MemberName, instance: UInt64)
    /// Another process has left, or was silent for a lease.
    case went(MemberName, instance: UInt64)
    /// This member is ignored, because the group has `peersMax` others.
    case tooManyMembers(MemberName)
    /// A person asked that this member hands over what it owns, and takes nothing.
    case drainAsked(DrainCause)
    /// That was taken back.
    case drainEnded
    /// The request about this member cannot be read, so it asks for nothing.
    case refusedDrain(VersionedJSON.Refusal)
    /// A new member has another lease than this one.
    case leaseDiffers(MemberName, instance: UInt64, nanoseconds: Int64)
}
