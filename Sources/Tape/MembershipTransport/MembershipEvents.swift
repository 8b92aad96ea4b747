internal import MarketModel
internal import Membership
internal import Primitives
internal import ServiceRuntime
internal import TapeTransport

// The events of a membership: each is one log line and its counters.

extension ServiceEvent {
    /// Reports that this member has another state.
    static func memberStateChanged(group: GroupName, state: MemberState, before: MemberState)
        -> Self
    {
        let level: LogLevel =
            switch state {
            case .paused: .warning
            case .aside: .error
            case .joining, .ready, .resuming, .leaving, .gone, .draining, .drained: .info
            }
        return Self(
            level, "member.state", "this member is \(state.rawValue) now",
            ("group", .text(group.text)), ("before", .text(before.rawValue))
        ) { metrics in
            let labels = [("group", group.text)]
            metrics.gauge(
                "mds_member_state",
                "0 joining, 1 ready, 2 paused, 3 resuming, 4 aside, 5 leaving, 6 gone, 7 draining, "
                    + "8 drained",
                "2 or 3 for long: check NATS; 7 or 8 for long: `tapeline members` names who asked, "
                    + "and `tapeline member release` ends it; 4: two processes have the same "
                    + "MDS_MEMBER", labels: labels
            ).set(Double(state.number))
            guard state == .paused else { return }
            metrics.counter(
                "mds_member_pauses_total",
                "a time that the member did not hear itself for a lease, or that a thread of its "
                    + "process hung, and it stopped acting as an owner",
                "without a restart of NATS: the machine is overloaded, or the network breaks",
                labels: labels
            ).add()
        }
    }
}

extension MemberState {
    /// The number of the state in metrics.
    var number: Int { MemberState.allCases.firstIndex(of: self) ?? 0 }
}

extension ServiceEvent {
    /// Reports that this member became the owner of a partition.
    static func ownershipClaimed(group: GroupName, partition: Partition, claim: Claim) -> Self {
        Self(
            .info, "member.partition.claimed", "took a partition",
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))),
            ("epoch", .unsigned(claim.epoch)), ("previous", .text(claim.previous?.text ?? "")),
            ("in_order", .flag(claim.wasReleased))
        ).counting(
            "mds_member_claims_total", "a partition that this member took",
            "many of them without starts and stops: members come and go",
            labels: [("group", group.text)])
    }

    /// Reports that this member gave a partition back in order.
    static func ownershipReleased(group: GroupName, partition: Partition, epoch: UInt64) -> Self {
        Self(
            .info, "member.partition.released", "handed a partition over",
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))),
            ("epoch", .unsigned(epoch))
        ).counting(
            "mds_member_releases_total", "a partition that was handed over in order",
            labels: [("group", group.text)])
    }
}

/// Why a partition was lost.
enum OwnershipLoss {
    case owner(MemberName?)
    /// A process outside of the group writes where the results go.
    case stranger(String, waitNanoseconds: Int64)
}

extension ServiceEvent {
    /// A partition was lost without having been handed over.
    static func ownershipLost(group: GroupName, partition: Partition, cause: OwnershipLoss) -> Self
    {
        let level: LogLevel
        let message: String
        var fields: [(String, LogValue)] = [
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))),
        ]
        let label: String
        switch cause {
        case .owner(let owner):
            (level, label) = (.warning, "owner")
            message =
                owner == nil
                ? "the record of a partition is gone; it is shared out again"
                : "another member has taken a partition"
            fields.append(("owner", .text(owner?.text ?? "")))
        case .stranger(let reason, let wait):
            (level, label) = (.error, "stranger")
            message =
                "somebody outside of the group writes what a partition's owner writes; "
                + "it is claimed again after a wait"
            fields.append(("reason", .text(reason)))
            fields.append(("wait_seconds", .real(Double(wait) / 1e9)))
        }
        return Self(level, "member.partition.lost", message, fields: fields).counting(
            "mds_member_losses_total",
            "a partition that was lost without a hand-over: another member took it, or the tape "
                + "has a higher epoch",
            "owner: this process hung, or NATS was away; stranger: a process outside of the "
                + "group writes there", by: "group, reason: owner, stranger",
            labels: [("group", group.text), ("reason", label)])
    }

    /// An operation on the bucket of owners failed and will be tried again: "read" or "write".
    static func ownersUnsettled(group: GroupName, operation: String, reason: String) -> Self {
        Self(
            .warning, "member.owners.unsettled",
            "could not \(operation) who owns what; it is tried again",
            ("group", .text(group.text)), ("reason", .text(reason))
        ).counting(
            "mds_member_record_failures_total",
            "a read or write of ownership records that failed; it is tried again",
            "rises for long: check NATS and its rights", by: "group, operation: read, write",
            labels: [("group", group.text), ("operation", operation)])
    }

    /// Reports that the bucket of owners is another one, or went back.
    static func ownersReplaced(group: GroupName) -> Self {
        Self(
            .error, "member.owners.replaced",
            "the bucket of owners was deleted or put back; partitions it does not name are shared "
                + "out again",
            ("group", .text(group.text)))
    }

    /// Reports that the record of an owner cannot be read.
    static func ownerRecordRefused(
        group: GroupName, partition: Partition, refusal: VersionedJSON.Refusal
    ) -> Self {
        Self(
            .error, "member.owners.damaged",
            "the record of a partition cannot be read; the partition has no owner: \(refusal)",
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))))
    }

    /// Reports that an older process has the name of this member.
    static func memberDoubled(group: GroupName, member: MemberName, instance: UInt64) -> Self {
        Self(
            .error, "member.doubled",
            "another process has the same name and was there first; this one waits until that one "
                + "is gone: give each its own MDS_MEMBER",
            ("group", .text(group.text)), ("member", .text(member.text)),
            ("other", .text(InstanceText.of(instance))))
    }
}

/// What is reported of another member.
enum MemberChange { case came, went, tooMany }

extension ServiceEvent {
    /// Reports that another member came or went, or is ignored.
    static func memberSeen(
        group: GroupName, member: MemberName, instance: UInt64, change: MemberChange
    ) -> Self {
        let message =
            switch change {
            case .came: "a member is there"
            case .went: "a member is gone or silent"
            case .tooMany:
                "a group has at most \(MembershipMachine.peersMax) members; this one is not heard"
            }
        return Self(
            change == .tooMany ? .error : .info, "member.seen", message,
            ("group", .text(group.text)), ("member", .text(member.text)),
            ("instance", .text(InstanceText.of(instance))))
    }

    /// Reports that another member has another lease; both are in nanoseconds.
    static func memberLeaseDiffers(
        group: GroupName, member: MemberName, instance: UInt64, own: Int64, other: Int64
    ) -> Self {
        Self(
            .warning, "member.lease.differs",
            "a member has another lease; the longer one counts between the two: give all members "
                + "of the group the same MDS_LEASE",
            ("group", .text(group.text)), ("member", .text(member.text)),
            ("instance", .text(InstanceText.of(instance))),
            ("own_seconds", .real(Double(own) / 1e9)),
            ("other_seconds", .real(Double(other) / 1e9)))
    }

    /// Reports an error of NATS on the membership's connection, such as a missing permission.
    static func memberComplaint(text: String) -> Self {
        Self(
            .error, "member.complaint", "NATS refused something of the membership",
            ("reason", .text(text))
        ) { $0.countNatsError(text) }
    }

    /// Reports that a heartbeat cannot be read.
    static func heartbeatNotUnderstood(subject: String, refusal: VersionedJSON.Refusal) -> Self {
        Self(
            .warning, "member.heartbeat.not_understood", "a heartbeat was ignored: \(refusal)",
            ("subject", .text(subject))
        ).counting(
            "mds_member_heartbeats_not_understood_total",
            "a heartbeat that could not be decoded and was ignored",
            "the log says which member: upgrade this process if that one is of a newer release, "
                + "else find out which process sends to `<namespace>.hb.>`")
    }

    /// Reports that a heartbeat could not be sent.
    static func heartbeatUnsaid(group: GroupName, reason: String) -> Self {
        Self(
            .debug, "member.heartbeat.unsaid", "a heartbeat could not be sent",
            ("group", .text(group.text)), ("reason", .text(reason))
        ).counting(
            "mds_member_heartbeats_unsaid_total", "a heartbeat that could not be sent",
            "often: check the link to NATS", labels: [("group", group.text)])
    }

    /// Reports that the membership has no connection to NATS.
    static func memberLinkMissing(group: GroupName, reason: String) -> Self {
        Self(
            .warning, "member.link.missing", "the group cannot be reached; it is tried again",
            ("group", .text(group.text)), ("reason", .text(reason)))
    }
}
