internal import Membership
internal import Primitives
internal import ServiceRuntime

// The events of a member that a person drains.

/// Reports that a person asked this member to hand over what it owns.
struct MemberDrainAsked: TelemetryEvent {
    static let name = "member.drain.asked"
    let group: GroupName
    let cause: DrainCause

    var level: LogLevel { .warning }
    var message: String {
        "this member hands over what it owns, and takes nothing until 'tapeline member release' "
            + "names it"
    }
    var fields: [(String, LogValue)] {
        [
            ("group", .text(group.text)), ("by", .text(cause.requester)),
            ("asked", .text(cause.asked.description)), ("reason", .text(cause.reason)),
            ("forced", .flag(cause.isForced)),
        ]
    }
}

/// Reports that this member takes part again.
struct MemberDrainEnded: TelemetryEvent {
    static let name = "member.drain.ended"
    let group: GroupName

    var level: LogLevel { .info }
    var message: String { "this member is released, and takes partitions again" }
    var fields: [(String, LogValue)] { [("group", .text(group.text))] }
}

/// Reports that a request about this member cannot be read.
struct DrainRequestRefused: TelemetryEvent {
    static let name = "member.drain.not_understood"
    let group: GroupName
    let refusal: VersionedJSON.Refusal

    var level: LogLevel { .error }
    var message: String {
        "a request to drain this member cannot be read, and is not followed: \(refusal)"
    }
    var fields: [(String, LogValue)] { [("group", .text(group.text))] }
}
