import Primitives

/// The time that watermarks follow: the host's monotonic clock, set once by its wall clock.
///
/// *This time* is what the clock shows. A *step* is a sudden difference between the wall clock and
/// this time, until it is decided which of the two is right. A *stamp* is a provider's time of a
/// tick. The *old* time is this time before the step, the *new* one is the wall clock after it.
///
/// A small difference between the two clocks is followed, because clocks are slewed all the time. A
/// step is not. After a step the time continues as before and the watermark is held, until the
/// provider's times show which of the two is right: the stamps of its ticks, or its answer to what
/// time it is. A stamp that the gateway made shows nothing. Waiting is necessary because a
/// watermark that went ahead by mistake closes windows for good.
struct SourceClock {
    /// A larger difference between the clocks is a step.
    static let stepNanoseconds: Int64 = 1_000_000_000
    /// The tolerance of a provider's answer, which has whole seconds and was some time on its way.
    static let answerNanoseconds: Int64 = 2_000_000_000
    /// How long stamps and answers are counted before they decide.
    static let voteNanoseconds: Int64 = 1_000_000_000

    enum Change: Equatable {
        /// The wall clock stepped ahead, or back if negative.
        case stepped(byNanoseconds: Int64)
        /// The stamps continue as before: the wall clock is wrong and is not followed.
        case kept
        /// The stamps stepped as well: the wall clock is right and is followed.
        case followed
        /// The wall clock is back at its time before the step.
        case returned
    }

    private struct Step {
        /// By the monotonic clock.
        let began: MonotonicTime
        /// How many stamps and answers agree with the old time, and with the new one.
        var forOld = 0
        var forNew = 0
        /// Whether the old time was found to be right.
        var isKept = false
    }

    /// Wall clock minus monotonic clock, in nanoseconds; `nil` before the first reading.
    private var offset: Int64?
    /// `nil` while the two clocks agree.
    private var step: Step?
    /// How far the wall clock is ahead of this time.
    private(set) var wallAheadNanoseconds: Int64 = 0
    /// The time at the last reading.
    private(set) var now = Timestamp(nanoseconds: Int64.min)

    /// This time minus the monotonic clock, in nanoseconds; `nil` before the first reading.
    var offsetNanoseconds: Int64? { offset }

    /// Whether the wall clock differs from this time by a step.
    var isStepped: Bool { step != nil }
    /// Whether the right time is unknown, so that the watermark is held.
    var holdsWatermark: Bool { step.map { !$0.isKept } ?? false }

    /// Takes a reading of both clocks. Returns a change that a person has to know, or `nil`.
    mutating func read(wall: Timestamp, monotonic: MonotonicTime) -> Change? {
        let present = wall.nanoseconds &- monotonic.nanoseconds
        let known = offset ?? present
        wallAheadNanoseconds = present &- known
        let isNear = wallAheadNanoseconds.magnitude <= UInt64(Self.stepNanoseconds)
        offset = isNear ? present : known
        now = Timestamp(nanoseconds: monotonic.nanoseconds &+ (isNear ? present : known))
        guard let step else {
            if isNear { return nil }
            self.step = Step(began: monotonic)
            return .stepped(byNanoseconds: wallAheadNanoseconds)
        }
        if isNear {
            self.step = nil
            return .returned
        }
        guard !step.isKept, monotonic - step.began >= Self.voteNanoseconds else { return nil }
        if step.forNew > step.forOld {
            self.step = nil
            (offset, now) = (present, wall)
            return .followed
        }
        guard step.forOld > step.forNew else { return nil }
        self.step?.isKept = true
        return .kept
    }

    /// Returns whether a stamp agrees with the wall clock after its step.
    func isOfStep(_ stamp: Timestamp) -> Bool {
        guard step != nil else { return false }
        return now.advanced(byNanoseconds: wallAheadNanoseconds).nanoseconds(since: stamp).magnitude
            <= UInt64(Self.stepNanoseconds)
    }

    /// Takes a provider's answer: its clock is `ahead` nanoseconds ahead of this time, to a second.
    mutating func received(aheadNanoseconds ahead: Int64) {
        guard step != nil else { return }
        let (beside, isOut) = ahead.subtractingReportingOverflow(wallAheadNanoseconds)
        guard !isOut, min(ahead.magnitude, beside.magnitude) <= UInt64(Self.answerNanoseconds)
        else { return }
        if ahead.magnitude <= beside.magnitude {
            step?.forOld &+= 1
        } else {
            step?.forNew &+= 1
        }
    }

    /// Takes a stamp that the provider made. It counts for the time, old or new, that it agrees
    /// with.
    mutating func received(stamp: Timestamp) {
        guard step != nil else { return }
        let behind = now.nanoseconds(since: stamp).magnitude
        let behindWall = now.advanced(byNanoseconds: wallAheadNanoseconds)
            .nanoseconds(since: stamp).magnitude
        if behind <= UInt64(Self.stepNanoseconds) {
            step?.forOld &+= 1
        } else if behindWall <= UInt64(Self.stepNanoseconds) {
            step?.forNew &+= 1
        }
    }
}
