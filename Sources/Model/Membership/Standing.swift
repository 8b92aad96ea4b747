internal import Primitives

/// How far this process has come, and what was asked of it.
struct Standing: Sendable {
    enum Phase: Equatable, Sendable {
        /// Until the records were read and the others had half a lease to be heard. Next: `active`.
        case joining
        /// It may own partitions. Next: `paused`.
        case active
        /// It is no owner, because it does not hear its own heartbeats. Next: `resuming`.
        case paused
        /// It hears again and writes its records once more. Next: `active`, `paused`.
        case resuming
    }

    private(set) var phase = Phase.joining
    /// Whether it is to hand over everything and then end.
    private(set) var wantsLeave = false
    /// Whether an older process with the same name is alive, so that this one takes no partition.
    var isAside = false
    /// Who asked that it takes no partition until it is released, and why; `nil`: nobody did.
    var drain: DrainCause?
    /// Whether the last effect was given out. No event changes anything any more.
    private(set) var hasLeft = false
    /// The number of pauses. What was written before the last pause proves nothing.
    private(set) var generation: UInt64 = 0
    /// The number of the last read that began before the pause ended. Only a later read shows what
    /// others have claimed meanwhile, so it has to come before anything is resumed.
    private(set) var resumeMark: UInt64 = 0
    /// When the last pause ended.
    private var resumingSince = MonotonicTime.distantPast
    /// Whether it resumes for longer than `resumeNanoseconds`. It then reports `paused`, so that
    /// others take over.
    private var resumesLate = false

    /// A member that cannot read the records for this long after a pause lets others take over.
    private static let resumeNanoseconds: Int64 = 10_000_000_000

    /// Whether it takes part: it may write records of its own.
    var takesPart: Bool { phase == .active || phase == .resuming }
    /// Whether this process takes no partition.
    var takesNothing: Bool { wantsLeave || isAside || drain != nil }
    /// Whether it hands over at once, whether another member is ready or not.
    var handsOverAll: Bool { wantsLeave || isAside || drain?.isForced == true }

    /// What heartbeats report.
    func state(holdsAny: @autoclosure () -> Bool) -> MemberState {
        if hasLeft { return .gone }
        if phase == .paused || phase == .resuming && resumesLate { return .paused }
        if wantsLeave { return .leaving }
        if isAside { return .aside }
        if phase == .joining { return .joining }
        if drain != nil { return holdsAny() ? .draining : .drained }
        return phase == .active ? .ready : .resuming
    }

    mutating func leave() { wantsLeave = true }

    mutating func end() {
        precondition(wantsLeave && !hasLeft, "it ends once, and when it was told to")
        hasLeft = true
    }

    mutating func activate() {
        precondition(phase == .joining || phase == .resuming, "it was no owner before")
        phase = .active
    }

    /// Returns true when it was an owner until now.
    mutating func pause() -> Bool {
        guard takesPart else { return false }
        phase = .paused
        return true
    }

    /// Hears again. `reads`: the number of the last read that began.
    mutating func resume(at now: MonotonicTime, reads: UInt64) {
        precondition(phase == .paused, "only what was paused resumes")
        phase = .resuming
        resumingSince = now
        resumesLate = false
        generation += 1
        resumeMark = reads
    }

    mutating func waitsToResume(at now: MonotonicTime) {
        resumesLate = now >= resumingSince + Self.resumeNanoseconds
    }
}
