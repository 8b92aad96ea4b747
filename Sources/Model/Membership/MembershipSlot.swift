extension MembershipMachine {
    /// The state of one partition, as this process knows it.
    struct Slot: Sendable {
        var record: OwnershipRecord?
        /// The revision of the record's last write; 0: there is none.
        var revision: UInt64 = 0
        /// The newest write that was read, and when, by the monotonic clock. Reading all records
        /// again does not change them.
        var seen: UInt64 = 0
        var seenAt = Int64.min
        /// The highest epoch that was ever seen. A bucket that was restored from a backup cannot
        /// lower it.
        var epochFloor: UInt64 = 0
        var hold: Hold?
        var pending: Pending?
        /// A read with a higher number must come before the next write.
        var readMark: UInt64 = 0
        var notBefore = Int64.min
        var failures = 0
        var conflicts = 0
        var claimNotBefore = Int64.min
        var losses = 0
        var lostAt = Int64.min
        /// The previous owner, for a claim that was written but not carried out yet.
        var origin: Origin?

        /// True when a failed write has to be tried again.
        var waits: Bool { failures > 0 }
    }

    struct Origin: Equatable, Sendable {
        var previous: MemberName?
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
        var releasedAt = Int64.min
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
        enum Kind: Sendable { case claim, confirm, raise, free }
        let id: UInt64
        let kind: Kind
        let record: OwnershipRecord
        let generation: UInt64
        let link: Int
    }
}
