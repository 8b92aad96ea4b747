import Primitives

/// The time that watermarks follow: the host's monotonic clock, set once by its wall clock.
///
/// A small difference between the two is followed: clocks are slewed all the time. A step is not:
/// the time runs on as it did and the watermark is held, until the provider has said whose time is
/// right: by the stamps of its ticks, or by its answer to what time it is. A time that was made
/// here says nothing. A watermark that went ahead by mistake closes windows for good.
struct SourceClock {
    /// What differs by more is a step.
    static let stepNanoseconds: Int64 = 1_000_000_000
    /// What an answer of the provider is about, to a second and its way.
    static let answerNanoseconds: Int64 = 2_000_000_000
    /// How long stamps are counted before they decide.
    static let voteNanoseconds: Int64 = 1_000_000_000

    enum Change: Equatable {
        /// The wall clock went so far ahead, or back.
        case stepped(byNanoseconds: Int64)
        /// The stamps go on as before: the wall clock is wrong, and is not followed.
        case kept
        /// The stamps have gone along: the wall clock is right, and is followed.
        case followed
        /// The wall clock is back where it was.
        case returned
    }

    private struct Step {
        let began: Int64
        var forOld = 0
        var forNew = 0
        var isKept = false
    }

    /// Wall clock less monotonic clock.
    private var offset: Int64?
    private var step: Step?
    private(set) var wallAheadNanoseconds: Int64 = 0
    /// Of the last reading.
    private(set) var now = Timestamp(nanoseconds: Int64.min)

    /// This time less the monotonic clock; nil before the first reading.
    var offsetNanoseconds: Int64? { offset }

    var isStepped: Bool { step != nil }
    /// Nobody knows what time it is.
    var holdsWatermark: Bool { step.map { !$0.isKept } ?? false }

    /// Reads both clocks; what is answered is news for a person.
    mutating func read(wall: Timestamp, monotonic: Int64) -> Change? {
        let present = wall.nanoseconds &- monotonic
        let known = offset ?? present
        wallAheadNanoseconds = present &- known
        let isNear = wallAheadNanoseconds.magnitude <= UInt64(Self.stepNanoseconds)
        offset = isNear ? present : known
        now = Timestamp(nanoseconds: monotonic &+ (isNear ? present : known))
        guard let step else {
            if isNear { return nil }
            self.step = Step(began: monotonic)
            return .stepped(byNanoseconds: wallAheadNanoseconds)
        }
        if isNear {
            self.step = nil
            return .returned
        }
        guard !step.isKept, monotonic &- step.began >= Self.voteNanoseconds else { return nil }
        if step.forNew > step.forOld {
            self.step = nil
            (offset, now) = (present, wall)
            return .followed
        }
        guard step.forOld > step.forNew else { return nil }
        self.step?.isKept = true
        return .kept
    }

    /// Whether a stamp is of the time that the wall clock shows since its step.
    func isOfStep(_ stamp: Timestamp) -> Bool {
        guard step != nil else { return false }
        return now.advanced(byNanoseconds: wallAheadNanoseconds).nanoseconds(since: stamp).magnitude
            <= UInt64(Self.stepNanoseconds)
    }

    /// The provider's clock is so far ahead of this time, to a second.
    mutating func heard(aheadNanoseconds ahead: Int64) {
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

    /// A tick's stamp, made by its provider, says which of the two times that one lives in.
    mutating func heard(stamp: Timestamp) {
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
