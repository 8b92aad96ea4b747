import Primitives

/// Decides for which inputs a worker waits a moment, so that a group of tables that is nearly there
/// can reach the common position, and come back. While packets flow, the two would hardly meet
/// otherwise. Its size is bounded by the number of inputs. Pure.
struct GroupMeetings: Sendable {
    /// How long an input waits at most.
    static let holdNanoseconds: Int64 = 200_000_000
    /// When it may wait again at the earliest, counted from when it began to wait. Each time that
    /// the group does not come, this doubles.
    static let pauseFirst: Int64 = 2_000_000_000
    static let pauseMax: Int64 = 64_000_000_000
    /// How far behind a group may be, in records: about a batch.
    static let recordsMax = UInt64(WriterSettings.batchRowsMax)

    private struct Meeting {
        var begun: MonotonicTime
        /// Counted from `begun`.
        var pause = GroupMeetings.pauseFirst
        /// The pause after the next one that is missed.
        var next = GroupMeetings.pauseFirst
        var isOpen = true
    }

    /// The inputs at which the worker waits.
    var held: Set<Int> = []
    private var meetings: [Int: Meeting] = [:]

    var isEmpty: Bool { meetings.isEmpty }

    /// Decides for an input at which a group waits apart, and is near or not.
    mutating func follow(_ input: Int, isNear: Bool, now: MonotonicTime) {
        held.remove(input)
        guard var meeting = meetings[input] else {
            if isNear { begin(input, Meeting(begun: now)) }
            return
        }
        if meeting.isOpen {
            if isNear, now - meeting.begun < Self.holdNanoseconds {
                held.insert(input)
                return
            }
            meeting.isOpen = false
            // It came, or its table is blocked again: that is no miss.
            meeting.pause = isNear ? meeting.next : Self.pauseFirst
            if isNear { meeting.next = min(meeting.next * 2, Self.pauseMax) }
            meetings[input] = meeting
        }
        guard isNear, now - meeting.begun >= meeting.pause else { return }
        meeting.begun = now
        meeting.isOpen = true
        begin(input, meeting)
    }

    private mutating func begin(_ input: Int, _ meeting: Meeting) {
        meetings[input] = meeting
        held.insert(input)
    }

    /// Notes that no group waits apart at an input.
    mutating func end(_ input: Int) {
        held.remove(input)
        meetings[input] = nil
    }
}
