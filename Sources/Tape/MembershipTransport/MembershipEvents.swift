internal import MarketModel
internal import Membership
internal import Primitives
internal import ServiceRuntime
internal import TapeTransport

// The events of a membership: each is one log line and its counters.

/// Reports that this member has another state.
struct MemberStateChanged: TelemetryEvent {
    static let name = "member.state"
    let group: GroupName
    let state: MemberState
    let before: MemberState

    var level: LogLevel {
        switch state {
        case .paused: .warning
        case .aside: .error
        case .joining, .ready, .resuming, .leaving, .gone, .draining, .drained: .info
        }
    }
    var message: String { "this member is \(state.rawValue) now" }
    var fields: [(String, LogValue)] {
        [("group", .text(group.text)), ("before", .text(before.rawValue))]
    }

    func count(in metrics: MetricRegistry) {
        let labels = [("group", group.text)]
        metrics.gauge(
            "mds_member_state",
            "0 joining, 1 ready, 2 paused, 3 resuming, 4 aside, 5 leaving, 6 gone, 7 draining, 8 "
                + "drained",
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

extension MemberState {
    /// The number of the state in metrics.
    var number: Int { MemberState.allCases.firstIndex(of: self) ?? 0 }
}

/// Reports that this member became the owner of a partition.
struct OwnershipClaimed: TelemetryEvent {
    static let name = "member.partition.claimed"
    let group: GroupName
    let partition: Partition
    let claim: Claim

    var level: LogLevel { .info }
    var message: String { "took a partition" }
    var fields: [(String, LogValue)] {
        [
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))),
            ("epoch", .unsigned(claim.epoch)), ("previous", .text(claim.previous?.text ?? "")),
            ("in_order", .flag(claim.wasReleased)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_member_claims_total", "a partition that this member took",
            "many of them without starts and stops: members come and go",
            labels: [("group", group.text)]
        ).add()
    }
}

/// Reports that this member gave a partition back in order.
struct OwnershipReleased: TelemetryEvent {
    static let name = "member.partition.released"
    let group: GroupName
    let partition: Partition
    let epoch: UInt64

    var level: LogLevel { .info }
    var message: String { "handed a partition over" }
    var fields: [(String, LogValue)] {
        [
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))),
            ("epoch", .unsigned(epoch)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_member_releases_total", "a partition that was handed over in order",
            labels: [("group", group.text)]
        ).add()
    }
}

/// A partition was lost without having been handed over.
struct OwnershipLost: TelemetryEvent {
    static let name = "member.partition.lost"
    let group: GroupName
    let partition: Partition
    let cause: Cause

    /// Why a partition was lost.
    enum Cause {
        case owner(MemberName?)
        /// A process outside of the group writes where the results go.
        case stranger(String, waitNanoseconds: Int64)
    }

    var level: LogLevel {
        switch cause {
        case .owner: .warning
        case .stranger: .error
        }
    }
    var message: String {
        switch cause {
        case .owner(nil): "the record of a partition is gone; it is shared out again"
        case .owner: "another member has taken a partition"
        case .stranger:
            "somebody outside of the group writes what a partition's owner writes; "
                + "it is claimed again after a wait"
        }
    }
    var fields: [(String, LogValue)] {
        var fields: [(String, LogValue)] = [
            ("group", .text(group.text)), ("partition", .integer(Int64(partition.number))),
        ]
        switch cause {
        case .owner(let owner): fields.append(("owner", .text(owner?.text ?? "")))
        case .stranger(let reason, let wait):
            fields.append(("reason", .text(reason)))
            fields.append(("wait_seconds", .real(Double(wait) / 1e9)))
        }
        return fields
    }

    func count(in metrics: MetricRegistry) {
        let label =
            switch cause {
            case .owner: "owner"
            case .stranger: "stranger"
            }
        metrics.counter(
            "mds_member_losses_total",
            "a partition that was lost without a hand-over: another member took it, or the tape "
                + "has a higher epoch",
            "owner: this process hung, or NATS was away; stranger: a process outside of the "
                + "group writes there", by: "group, reason: owner, stranger",
            labels: [("group", group.text), ("reason", label)]
        ).add()
    }
}

/// An operation on the bucket of owners failed and will be tried again.
struct OwnersUnsettled: TelemetryEvent {
    static let name = "member.owners.unsettled"
    let group: GroupName
    let operation: Operation
    let reason: String

    enum Operation: String { case read, write }

    var level: LogLevel { .warning }
    var message: String { "could not \(operation.rawValue) who owns what; it is tried again" }
    var fields: [(String, LogValue)] {
        [("group", .text(group.text)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_member_record_failures_total",
            "a read or write of ownership records that failed; it is tried again",
            "rises for long: check NATS and its rights", by: "group, operation: read, write",
            labels: [("group", group.text), ("operation", operation.rawValue)]
        ).add()
    }
}

/// Reports that the bucket of owners is another one, or went back.
struct OwnersReplaced: TelemetryEvent {
    static let name = "member.owners.replaced"
    let group: GroupName

    var level: LogLevel { .error }
    var message: String {
        "the bucket of owners was deleted or put back; partitions it does not name are shared out "
            + "again"
    }
    var fields: [(String, LogValue)] { [("group", .text(group.text))] }
}

/// Reports that the record of an owner cannot be read.
struct OwnerRecordRefused: TelemetryEvent {
    static let name = "member.owners.damaged"
    let group: GroupName
    let partition: Partition
    let refusal: VersionedJSON.Refusal

    var level: LogLevel { .error }
    var message: String {
        "the record of a partition cannot be read; the partition has no owner: \(refusal)"
    }
    var fields: [(String, LogValue)] {
        [("group", .text(group.text)), ("partition", .integer(Int64(partition.number)))]
    }
}

/// Reports that an older process has the name of this member.
struct MemberDoubled: TelemetryEvent {
    static let name = "member.doubled"
    let group: GroupName
    let member: MemberName
    let instance: UInt64

    var level: LogLevel { .error }
    var message: String {
        "another process has the same name and was there first; this one waits until that one is "
            + "gone: give each its own MDS_MEMBER"
    }
    var fields: [(String, LogValue)] {
        [
            ("group", .text(group.text)), ("member", .text(member.text)),
            ("other", .text(InstanceText.of(instance))),
        ]
    }
}

/// Reports that another member came or went, or is ignored.
struct MemberSeen: TelemetryEvent {
    static let name = "member.seen"
    let group: GroupName
    let member: MemberName
    let instance: UInt64
    let change: Change

    enum Change { case came, went, tooMany }

    var level: LogLevel { change == .tooMany ? .error : .info }
    var message: String {
        switch change {
        case .came: "a member is there"
        case .went: "a member is gone or silent"
        case .tooMany:
            "a group has at most \(MembershipMachine.peersMax) members; this one is not heard"
        }
    }
    var fields: [(String, LogValue)] {
        [
            ("group", .text(group.text)), ("member", .text(member.text)),
            ("instance", .text(InstanceText.of(instance))),
        ]
    }
}

/// Reports that another member has another lease; both are in nanoseconds.
struct MemberLeaseDiffers: TelemetryEvent {
    static let name = "member.lease.differs"
    let group: GroupName
    let member: MemberName
    let instance: UInt64
    let own: Int64
    let other: Int64

    var level: LogLevel { .warning }
    var message: String {
        "a member has another lease; the longer one counts between the two: give all members of "
            + "the group the same MDS_LEASE"
    }
    var fields: [(String, LogValue)] {
        [
            ("group", .text(group.text)), ("member", .text(member.text)),
            ("instance", .text(InstanceText.of(instance))),
            ("own_seconds", .real(Double(own) / 1e9)),
            ("other_seconds", .real(Double(other) / 1e9)),
        ]
    }
}

/// Reports an error of NATS on the membership's connection, such as a missing permission.
struct MemberComplaint: TelemetryEvent {
    static let name = "member.complaint"
    let text: String

    var level: LogLevel { .error }
    var message: String { "NATS refused something of the membership" }
    var fields: [(String, LogValue)] { [("reason", .text(text))] }

    func count(in metrics: MetricRegistry) { metrics.countNatsError() }
}

/// Reports that a heartbeat cannot be read.
struct HeartbeatNotUnderstood: TelemetryEvent {
    static let name = "member.heartbeat.not_understood"
    let subject: String
    let refusal: VersionedJSON.Refusal

    var level: LogLevel { .warning }
    var message: String { "a heartbeat was ignored: \(refusal)" }
    var fields: [(String, LogValue)] { [("subject", .text(subject))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_member_heartbeats_not_understood_total",
            "a heartbeat that could not be decoded and was ignored",
            "the log says which member: upgrade this process if that one is of a newer release, "
                + "else find out which process sends to `<namespace>.hb.>`"
        ).add()
    }
}

/// Reports that a heartbeat could not be sent.
struct HeartbeatUnsaid: TelemetryEvent {
    static let name = "member.heartbeat.unsaid"
    let group: GroupName
    let reason: String

    var level: LogLevel { .debug }
    var message: String { "a heartbeat could not be sent" }
    var fields: [(String, LogValue)] {
        [("group", .text(group.text)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_member_heartbeats_unsaid_total", "a heartbeat that could not be sent",
            "often: check the link to NATS", labels: [("group", group.text)]
        ).add()
    }
}

/// Reports that the membership has no connection to NATS.
struct MemberLinkMissing: TelemetryEvent {
    static let name = "member.link.missing"
    let group: GroupName
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "the group cannot be reached; it is tried again" }
    var fields: [(String, LogValue)] {
        [("group", .text(group.text)), ("reason", .text(reason))]
    }
}
