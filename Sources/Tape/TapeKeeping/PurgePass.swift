/// The marks of a stream's size. Pure.
package struct PurgeMarks: Hashable, Sendable {
    /// The marks in percent of the stream's limit.
    package static let startPercent: UInt64 = 75
    package static let goalPercent = 100 - headroomPercentMin
    /// The share of its limit that a stream has free after a purge. A group that is not needed is
    /// let go while there is less.
    package static let headroomPercentMin: UInt64 = 30
    /// From here on, delaying publishers is better than refusing them.
    package static let urgentPercent: UInt64 = 90

    /// A stream does not grow faster than this. Measured on a fast disk at full rate: 50 MB/s.
    package static let bytesPerSecondMax: UInt64 = 100_000_000

    /// The stream's limit.
    package let bytesMax: UInt64
    /// Above this size a purge begins.
    package let startBytes: UInt64
    /// At this size a purge ends.
    package let goalBytes: UInt64
    /// Above this size a purge makes no pauses, and also uses the purges beyond the plan's end.
    package let urgentBytes: UInt64

    package init(bytesMax: UInt64) {
        self.bytesMax = bytesMax
        startBytes = Self.share(Self.startPercent, of: bytesMax)
        goalBytes = Self.share(Self.goalPercent, of: bytesMax)
        urgentBytes = Self.share(Self.urgentPercent, of: bytesMax)
    }

    /// Returns the shortest time in which a stream of this size can reach the size at which a purge
    /// begins, in nanoseconds, at most `max`.
    package func nanosecondsToStart(bytes: UInt64, max: Int64) -> Int64 {
        let room = startBytes - min(bytes, startBytes)
        let (product, overflow) = room.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? max : min(max, Int64(clamping: product / Self.bytesPerSecondMax))
    }

    private static func share(_ percent: UInt64, of bytes: UInt64) -> UInt64 {
        bytes / 100 * percent + bytes % 100 * percent / 100
    }
}

/// Carries out a plan in small steps until the stream is small enough. Pure: the shell does what
/// `next` returns, and reports the result.
///
/// A *pin* is a sequence that has to stay: see `PurgeFacts.Subject`. Before the first pin,
/// everything is purged from the front of the stream. After it, each subject is purged by itself.
package struct PurgePass: Sendable {
    /// What the shell has to do next.
    package enum Step: Hashable, Sendable {
        /// Purge everything below this sequence.
        case front(below: UInt64)
        /// Find the first message from this sequence on, then call `found`.
        case seek(from: UInt64)
        /// Ask for the stream's bytes, then call `measured`.
        case measure
        /// Purge everything of the subject below this sequence.
        case subject(PurgePlan.SubjectPurge)
        /// Nothing: the purge has ended.
        case done(Outcome)
    }

    package enum Outcome: String, Sendable {
        /// The stream is as small as it should be.
        case reached
        /// No more may be purged.
        case held
    }

    /// The number of messages of one front step. The server syncs once per step when a step removes
    /// few messages of a block, so steps of one message would sync as often as publishers do.
    package static let frontMessages: UInt64 = 128
    /// The stream's bytes are requested again after about this share of its limit was purged, so
    /// that no more is purged than needed. After a pin, each subject is purged in pieces of this
    /// size: the server searches the complete stream for each subject, however little is removed,
    /// so the pieces are larger there.
    static let pieceShare: UInt64 = 40

    private let plan: PurgePlan
    private let marks: PurgeMarks
    /// The number of messages of a piece, estimated from their average size.
    private let pieceMessages: UInt64
    /// The stream's size when it was last requested.
    private var bytes: UInt64
    /// Everything below this sequence is purged, or will be when `pieces` is empty.
    package private(set) var cursor: UInt64
    /// How many pins the cursor has passed.
    private var pin = 0
    /// Whether the cursor is after a pin at an unknown distance from the next message.
    private var isLost = false
    /// The number of messages that were purged since the stream's bytes were last requested.
    private var passed: UInt64 = 0
    /// The remaining purges of the piece before the cursor.
    private var pieces: [PurgePlan.SubjectPurge] = []
    /// The remaining purges beyond the plan's end; the last is the next.
    private var beyond: [PurgePlan.SubjectPurge]
    /// The purges beyond the plan's end that were begun.
    package private(set) var begunBeyond: [PurgePlan.SubjectPurge] = []

    /// `bytes` and `messages` are the stream's present size.
    package init(_ plan: PurgePlan, marks: PurgeMarks, bytes: UInt64, messages: UInt64) {
        self.plan = plan
        self.marks = marks
        self.bytes = bytes
        let average = max(1, bytes / max(1, messages))
        pieceMessages = max(1, marks.bytesMax / Self.pieceShare / average)
        cursor = plan.firstSequence
        beyond = plan.beyond
    }

    /// Returns the next step.
    package mutating func next() -> Step {
        if let piece = pieces.popLast() { return .subject(piece) }
        if passed >= pieceMessages { return .measure }
        guard bytes > marks.goalBytes else { return .done(.reached) }
        while cursor < plan.clearBelow {
            if pin < plan.pins.count, plan.pins[pin] <= cursor {
                cursor = max(cursor, plan.pins[pin] + 1)
                pin += 1
                isLost = true
                continue
            }
            if isLost { return .seek(from: cursor) }
            if pin == 0 { return front() }
            cut()
            if let piece = pieces.popLast() { return .subject(piece) }
        }
        guard bytes > marks.urgentBytes, let purge = beyond.popLast() else { return .done(.held) }
        // Each of these purges may free much, so the stream's bytes are requested before the next
        // one.
        passed = pieceMessages
        begunBeyond.append(purge)
        return .subject(purge)
    }

    /// Returns a step before the first pin: nothing there has to stay.
    private mutating func front() -> Step {
        let start = cursor
        let messages = min(Self.frontMessages, pieceMessages)
        cursor = min(advanced(messages), plan.pins.first ?? plan.clearBelow)
        passed += cursor - start
        return .front(below: cursor)
    }

    /// After a pin: cuts the next piece into purges of each subject that has messages in it.
    private mutating func cut() {
        let start = cursor
        cursor = advanced(pieceMessages)
        passed = pieceMessages
        pieces = plan.subjects.compactMap { subject in
            let below = min(cursor, subject.below)
            return below > start
                ? PurgePlan.SubjectPurge(subject: subject.subject, below: below) : nil
        }
    }

    /// Returns the cursor after this many messages, but not beyond the plan's end.
    private func advanced(_ messages: UInt64) -> UInt64 {
        let (end, overflow) = cursor.addingReportingOverflow(messages)
        return overflow ? plan.clearBelow : min(end, plan.clearBelow)
    }

    // MARK: reports of the shell

    /// Reports the result of `measure`.
    package mutating func measured(bytes: UInt64) {
        self.bytes = bytes
        passed = 0
    }

    /// Reports the result of `seek`; `nil`: there is no message from that sequence on.
    package mutating func found(_ sequence: UInt64?) {
        cursor = max(cursor, sequence ?? plan.clearBelow)
        isLost = false
    }
}
