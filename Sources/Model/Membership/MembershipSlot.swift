extension MembershipMachine {
    /// A partition, as this process knows it.
    struct Slot: Sendable {
        var record: OwnershipRecord?
        /// Of the record's last write; 0: there is none.
        var revision: UInt64 = 0
        /// The newest write that was read, and when, by the monotonic clock. A bucket that is read
        /// anew tells nothing new by it.
        var seen: UInt64 = 0
        var seenAt = Int64.min
        /// The highest epoch that was ever seen: also a bucket that was put back cannot lower it.
        var epochFloor: UInt64 = 0
        var hold: Hold?
        var pending: Pending?
        /// A read with a higher number has to come before the next write.
        var readMark: UInt64 = 0
        var notBefore = Int64.min
        var failures = 0
        var conflicts = 0
        var claimNotBefore = Int64.min
        var losses = 0
        var lostAt = Int64.min
        /// Whom it came from, of a claim that was written and not taken up yet.
        var origin: Origin?

        /// A write that failed is to be tried again.
        var waits: Bool { failures > 0 }
    }

    struct Origin: Equatable, Sendable {
        var previous: MemberName?
        var wasReleased: Bool
    }

    /// Of a partition that is this process's own.
    struct Hold: Sendable {
        let tenure: UInt64
        /// In the record.
        var epoch: UInt64
        /// On the tape or in the database; 0: not told.
        var opened: UInt64 = 0
        var stage = Stage.held
        var releasedAt = Int64.min
        /// The pause behind which the record was written.
        var confirmed: UInt64

        enum Stage: Sendable {
            case held
            /// The data plane was told to let it go.
            case releasing
            /// The data plane has done so; the record is to say it.
            case freeing
        }
    }

    /// A write under way; of each record one.
    struct Pending: Sendable {
        enum Kind: Sendable { case claim, confirm, raise, free }
        let id: UInt64
        let kind: Kind
        let record: OwnershipRecord
        let generation: UInt64
        let link: Int
    }
}
