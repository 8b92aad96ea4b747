import Primitives

/// The source's clock, which watermarks follow. It runs with the host's monotonic clock and has the
/// time of the host's wall clock, but not the steps of that. Pure; `SourceTime` owns it.
///
/// *This time* is what the source's clock shows. A *step* is a difference of more than a second
/// between the wall clock and this time. It lasts until both agree again. A *stamp* is a provider's
/// time of a tick. The *old* time is this time, which continues as before the step. The *new* time
/// is the wall clock's.
///
/// A smaller difference is followed immediately, because the system adjusts wall clocks slightly
/// all the time. A step is not followed. The watermark is held, until the provider's times show
/// whether the old or the new time is right: the stamps of its ticks, or its answer to what time it
/// is. A receive time, which the gateway itself stamps, shows nothing. Waiting is necessary because
/// a watermark that went ahead by mistake closes windows for good.
struct SourceClock {
    /// A larger difference between the wall clock and this time is a step. It is also the tolerance
    /// of a stamp.
    static let stepNanoseconds: Int64 = 1_000_000_000
    /// The tolerance of a provider's answer, which has whole seconds and was some time on its way.
    static let answerNanoseconds: Int64 = 2_000_000_000
    /// How long stamps and answers are counted at least before the majority decides.
    static let voteNanoseconds: Int64 = 1_000_000_000

    /// What a person has to know about the clocks.
    enum Change: Equatable {
        /// The wall clock stepped ahead, or back if negative.
        case stepped(byNanoseconds: Int64)
        /// The old time is right: the wall clock is wrong and is not followed.
        case kept
        /// The new time is right: the wall clock is followed.
        case followed
        /// The wall clock agrees with this time again.
        case returned
    }

    private struct Step {
        /// When the step was noticed.
        let began: MonotonicTime
        /// How many stamps and answers agree with the old time, and with the new one.
        var forOld = 0
        var forNew = 0
        /// Whether the old time was found to be right.
        var isKept = false
    }

    /// This time minus the monotonic clock, in nanoseconds; `nil` before the first reading.
    private var offset: Int64?
    /// `nil` while the wall clock and this time agree.
    private var step: Step?
    /// How far the wall clock is ahead of this time; negative when it is late.
    private(set) var wallAheadNanoseconds: Int64 = 0
    /// This time at the last reading; the smallest time before the first.
    private(set) var now = Timestamp(nanoseconds: Int64.min)

    /// `offset`, for the providers' channels.
    var offsetNanoseconds: Int64? { offset }

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
        // With a tie, or without any stamp or answer, the watermark stays held.
        guard step.forOld > step.forNew else { return nil }
        self.step?.isKept = true
        return .kept
    }

    /// Returns whether a stamp agrees with the new time; false without a step.
    func isOfStep(_ stamp: Timestamp) -> Bool {
        guard step != nil else { return false }
        return now.advanced(byNanoseconds: wallAheadNanoseconds).nanoseconds(since: stamp).magnitude
            <= UInt64(Self.stepNanoseconds)
    }

    /// Takes a provider's answer to what time it is: its clock is `ahead` nanoseconds ahead of this
    /// time. It counts for the time, old or new, that is nearer, if that is within the tolerance.
    mutating func received(aheadNanoseconds ahead: Int64) {
        guard step != nil else { return }
        // How far the provider's clock is ahead of the wall clock.
        let (beside, isOut) = ahead.subtractingReportingOverflow(wallAheadNanoseconds)
        guard !isOut, min(ahead.magnitude, beside.magnitude) <= UInt64(Self.answerNanoseconds)
        else { return }
        if ahead.magnitude <= beside.magnitude {
            step?.forOld &+= 1
        } else {
            step?.forNew &+= 1
        }
    }

    /// Takes a stamp that the provider made. It counts for the time, old or new, with which it
    /// agrees to a second; the old time comes first.
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
