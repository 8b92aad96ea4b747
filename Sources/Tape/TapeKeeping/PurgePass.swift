/// How full a stream may become. Pure.
public struct PurgeMarks: Hashable, Sendable {
    public static let startPercent: UInt64 = 75
    public static let goalPercent: UInt64 = 70
    /// From here on publishers are better held up than refused.
    public static let urgentPercent: UInt64 = 90

    public let bytesMax: UInt64
    /// Above it a purge begins.
    public let startBytes: UInt64
    /// At it a purge ends.
    public let goalBytes: UInt64
    public let urgentBytes: UInt64

    public init(bytesMax: UInt64) {
        self.bytesMax = bytesMax
        startBytes = Self.share(Self.startPercent, of: bytesMax)
        goalBytes = Self.share(Self.goalPercent, of: bytesMax)
        urgentBytes = Self.share(Self.urgentPercent, of: bytesMax)
    }

    private static func share(_ percent: UInt64, of bytes: UInt64) -> UInt64 {
        bytes / 100 * percent + bytes % 100 * percent / 100
    }
}

/// Carries a plan out in small steps until the stream is small enough. Pure: the shell does what
/// `next` says, and tells what came of it.
public struct PurgePass: Sendable {
    public enum Step: Hashable, Sendable {
        /// Take everything below this off the stream.
        case front(below: UInt64)
        /// Find the first message from here on; then `found`.
        case seek(from: UInt64)
        /// Ask for the stream's bytes; then `saw`.
        case look
        /// Take everything of the subject below this off.
        case subject(PurgePlan.SubjectPurge)
        case done(Outcome)
    }

    public enum Outcome: String, Sendable {
        /// The stream is as small as it should be.
        case reached
        /// Nothing more may go.
        case held
    }

    /// Messages of one front step. The server syncs once for it if it forgets few messages of a
    /// block, so steps of one would sync as often as publishers do.
    public static let frontMessages: UInt64 = 128
    /// The stream's bytes are asked for when about this share of what it may hold has gone, so that
    /// no more goes than has to. Behind a pin it is one piece: the server looks through the whole
    /// stream for each subject, however little goes, so the pieces are larger there.
    static let pieceShare: UInt64 = 40

    private let plan: PurgePlan
    private let marks: PurgeMarks
    private let pieceMessages: UInt64
    private var bytes: UInt64
    /// Everything below it is done, or will be when `pieces` is empty.
    private var cursor: UInt64
    private var pin = 0
    private var isLost = false
    /// Of the stream's messages since its bytes were asked for.
    private var passed: UInt64 = 0
    /// What is left to do of the piece in front of the cursor.
    private var pieces: [PurgePlan.SubjectPurge] = []
    private var beyond: [PurgePlan.SubjectPurge]

    /// The stream has so many messages and bytes.
    public init(_ plan: PurgePlan, marks: PurgeMarks, bytes: UInt64, messages: UInt64) {
        self.plan = plan
        self.marks = marks
        self.bytes = bytes
        let average = max(1, bytes / max(1, messages))
        pieceMessages = max(1, marks.bytesMax / Self.pieceShare / average)
        cursor = plan.firstSequence
        beyond = plan.beyond
    }

    public mutating func next() -> Step {
        if let piece = pieces.popLast() { return .subject(piece) }
        if passed >= pieceMessages { return .look }
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
        // Each of them may free much: what it brought is looked at before the next.
        passed = pieceMessages
        return .subject(purge)
    }

    /// Nothing that has to stay is in front of it.
    private mutating func front() -> Step {
        let start = cursor
        let messages = min(Self.frontMessages, pieceMessages)
        cursor = min(advanced(messages), plan.pins.first ?? plan.clearBelow)
        passed += cursor - start
        return .front(below: cursor)
    }

    /// Behind a pin: the next piece, of each subject that has something in it.
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

    private func advanced(_ messages: UInt64) -> UInt64 {
        let (end, overflow) = cursor.addingReportingOverflow(messages)
        return overflow ? plan.clearBelow : min(end, plan.clearBelow)
    }

    // MARK: what came of it

    public mutating func saw(bytes: UInt64) {
        self.bytes = bytes
        passed = 0
    }

    /// Nil: there is no message from there on.
    public mutating func found(_ sequence: UInt64?) {
        cursor = max(cursor, sequence ?? plan.clearBelow)
        isLost = false
    }
}
