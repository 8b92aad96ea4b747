internal import Membership
internal import Primitives
internal import ServiceRuntime

// The events of a member that a person drains.

extension ServiceEvent {
    /// Reports that a person asked this member to hand over what it owns.
    static func memberDrainAsked(group: GroupName, cause: DrainCause) -> Self {
        Self(
            .warning, "member.drain.asked",
            "this member hands over what it owns, and takes nothing until 'tapeline member "
                + "release' names it",
            ("group", .text(group.text)), ("by", .text(cause.requester)),
            ("asked", .text(cause.asked.description)), ("reason", .text(cause.reason)),
            ("forced", .flag(cause.isForced)))
    }

    /// Reports that this member takes part again.
    static func memberDrainEnded(group: GroupName) -> Self {
        Self(
            .info, "member.drain.ended", "this member is released, and takes partitions again",
            ("group", .text(group.text)))
    }

    /// Reports that a request about this member cannot be read.
    static func drainRequestRefused(group: GroupName, refusal: VersionedJSON.Refusal) -> Self {
        Self(
            .error, "member.drain.not_understood",
            "a request to drain this member cannot be read, and is not followed: \(refusal)",
            ("group", .text(group.text)))
    }
}
