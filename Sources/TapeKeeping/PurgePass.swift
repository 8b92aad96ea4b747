/// How full a stream may become. Pure.
public struct PurgeMarks: Hashable, Sendable {
    public static let startPercent: UInt64 = 75
    public static let goalPercent: UInt64 = 70
    /// From here on publishers are better held up than refused.
    public static let urgentPercent: UInt64 = 90

    /// Above it a purge begins.
    public let startBytes: UInt64
    /// At it a purge ends.
    public let goalBytes: UInt64
    public let urgentBytes: UInt64

    public init(bytesMax: UInt64) {
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
        /// Take this message off; then `deleted`.
        case delete(UInt64)
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

    /// Messages of one front step: measured, see Benchmarks.
    public static let frontMessages: UInt64 = 64
    /// Steps between two looks; that many front steps free some megabytes at most.
    static let stepsPerLook = 16

    private let plan: PurgePlan
    private let marks: PurgeMarks
    private var bytes: UInt64
    /// Everything below it is done.
    private var cursor: UInt64
    private var pin = 0
    private var isLost = false
    private var steps = 0
    private var beyond: [PurgePlan.SubjectPurge]

    public init(_ plan: PurgePlan, marks: PurgeMarks, bytes: UInt64) {
        self.plan = plan
        self.marks = marks
        self.bytes = bytes
        cursor = plan.firstSequence
        beyond = plan.beyond
    }

    public mutating func next() -> Step {
        if steps >= Self.stepsPerLook { return .look }
        guard bytes > marks.goalBytes else { return .done(.reached) }
        while cursor < plan.clearBelow {
            if pin < plan.pins.count, plan.pins[pin] <= cursor {
                cursor = max(cursor, plan.pins[pin] + 1)
                pin += 1
                isLost = true
                continue
            }
            if isLost { return .seek(from: cursor) }
            steps += 1
            return pin == 0 ? front() : single()
        }
        guard bytes > marks.urgentBytes, let purge = beyond.popLast() else { return .done(.held) }
        // Each of them holds publishers up for long: what it brought is looked at before the next.
        steps = Self.stepsPerLook
        return .subject(purge)
    }

    /// Nothing that has to stay is in front of it.
    private mutating func front() -> Step {
        let wall = min(plan.pins.first ?? plan.clearBelow, plan.clearBelow)
        let (end, overflow) = cursor.addingReportingOverflow(Self.frontMessages)
        cursor = overflow ? wall : min(end, wall)
        return .front(below: cursor)
    }

    private mutating func single() -> Step {
        cursor += 1
        return .delete(cursor - 1)
    }

    // MARK: what came of it

    public mutating func saw(bytes: UInt64) {
        self.bytes = bytes
        steps = 0
    }

    /// Nil: there is no message from there on.
    public mutating func found(_ sequence: UInt64?) {
        cursor = max(cursor, sequence ?? plan.clearBelow)
        isLost = false
    }

    /// False: there was none.
    public mutating func deleted(_ wasThere: Bool) {
        if !wasThere { isLost = true }
    }
}
