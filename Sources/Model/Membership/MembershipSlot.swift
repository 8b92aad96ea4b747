internal import Primitives

/// The state of one partition, as this process knows it. Times are monotonic.
struct MembershipSlot: Sendable {
    /// `nil`: nobody has owned the partition, or its record is deleted or refused.
    var record: OwnershipRecord?
    /// The revision of the record's last write; 0: there is none.
    var revision: UInt64 = 0
    /// The newest write that was read, and when, by the monotonic clock. Reading all records
    /// again does not change them.
    var seen: UInt64 = 0
    var seenAt = MonotonicTime.distantPast
    /// The highest epoch that was ever seen. A bucket that was restored from a backup cannot
    /// lower it.
    var epochFloor: UInt64 = 0
    /// `nil` while this process does not own the partition.
    var hold: Hold?
    /// `nil` while no write is in progress.
    var pending: Pending?
    /// The number of the last read that began before a write failed or the partition was lost.
    /// Only a later read shows what is stored, so it has to succeed before the next write. 0:
    /// none is needed.
    var readMark: UInt64 = 0
    /// The earliest time of the next write after a failed one.
    var notBefore = MonotonicTime.distantPast
    /// How many writes in a row had no outcome, and how many found another record.
    var failures = 0
    var conflicts = 0
    /// The earliest time of the next claim after the partition was lost.
    var claimNotBefore = MonotonicTime.distantPast
    /// How often the partition was lost shortly after another loss, and when last.
    var losses = 0
    var lostAt = MonotonicTime.distantPast
    /// The previous owner, for a claim that was written but not carried out yet.
    var origin: Origin?

    /// From whom a partition is claimed.
    struct Origin: Equatable, Sendable {
        /// `nil` when no owner is recorded.
        var previous: MemberName?
        /// Whether that owner handed it over in order.
        var wasReleased: Bool
    }

    /// The state of a partition that this process owns.
    struct Hold: Sendable {
        let tenure: UInt64
        /// The epoch in the record.
        var epoch: UInt64
        /// The epoch on the tape or in the database; 0: not reported.
        var opened: UInt64 = 0
        var stage = Stage.held
        /// When the hand-over began; `Int64.min` before.
        var releasedAt = MonotonicTime.distantPast
        /// The number of the pause after which the record was last written.
        var confirmed: UInt64

        enum Stage: Sendable {
            case held
            /// The data plane was ordered to release it.
            case releasing
            /// The data plane has released it; the record has to be written.
            case freeing
        }
    }

    /// A write in progress. Each record has at most one.
    struct Pending: Sendable {
        enum Kind: Sendable {
            /// The process becomes the owner.
            case claim
            /// It is still the owner after a pause.
            case confirm
            /// Its epoch on the tape is higher than in the record.
            case raise
            /// It gives the partition back.
            case free
        }
        let id: UInt64
        let kind: Kind
        let record: OwnershipRecord
        /// The numbers of the pause before the write and of its link.
        let generation: UInt64
        let link: Int
    }
}
