internal import Primitives

/// When this process sends a heartbeat, and what it said last. Times are monotonic.
struct OwnHeartbeats: Sendable {
    private let lease: Int64
    /// The number of the last one.
    private(set) var sequence: UInt64 = 0
    private(set) var lastAt = MonotonicTime.distantPast
    private(set) var last: MemberHeartbeat?
    /// Whether a process has requested one that was not sent yet.
    var wasAsked = false
    /// How often a partition had come or gone then.
    private var holdChanges = 0

    /// The shortest time between two heartbeats, in a group of any size.
    private static let spacingNanosecondsMax: Int64 = 10_000_000

    init(lease: Int64) {
        self.lease = lease
    }

    /// The longest time between two heartbeats.
    var interval: Int64 { lease / MembershipMachine.heartbeatsPerLease }

    /// Returns the shortest time between two heartbeats, where the group has this spacing.
    func spacing(in group: Int64) -> Int64 { min(group, Self.spacingNanosecondsMax, interval) }

    /// Whether one is due. `hasNews`: others wait for what it would report.
    func isDue(
        at now: MonotonicTime, spacing: Int64, hasNews: @autoclosure () -> Bool
    ) -> Bool {
        now >= lastAt + interval || now >= lastAt + spacing && hasNews()
    }

    /// True when others wait for what a heartbeat would report: a state, what this process owns,
    /// or that it has written. They read what others have written by themselves. If each member
    /// repeated that immediately, every write would cost a message from each member to each.
    func isOutdated(_ state: MemberState, _ reads: RecordReads, _ slots: MembershipSlots) -> Bool {
        guard let last else { return true }
        return last.state != state || last.records < reads.written || reads.hasToReportReplaced
            || slots.holdChanges != holdChanges
    }

    /// Gives the heartbeat its number.
    mutating func send(
        _ heartbeat: MemberHeartbeat, holdChanges: Int, at now: MonotonicTime
    ) -> MemberHeartbeat {
        var next = heartbeat
        sequence += 1
        next.sequence = sequence
        last = next
        lastAt = now
        wasAsked = false
        self.holdChanges = holdChanges
        return next
    }
}
