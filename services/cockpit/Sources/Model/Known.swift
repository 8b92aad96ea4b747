import Primitives

/// The answer to a question that is asked again and again: what was said last, when that was
/// measured, and what is wrong with the question since then.
struct Known<Value: Sendable>: Sendable {
    /// `nil` before the first answer.
    var value: Value?
    /// When the value was asked for: it is at least that new.
    var measuredAt = MonotonicTime.distantPast
    /// Why the last question has no answer. `nil` when it has one.
    var problem: String?
    /// Since when the question that is open now waits for its answer. `nil` when none is open.
    var askedAt: MonotonicTime?

    /// Older values say nothing about now. It is below three seconds, so that a page has grey what
    /// is dead before three seconds are over; values are measured once a second.
    static var ageMaxNanoseconds: Int64 { Freshness.nanoseconds }

    func isFresh(at now: MonotonicTime) -> Bool {
        value != nil && now - measuredAt <= Self.ageMaxNanoseconds
    }

    /// Returns the value if it is new enough to speak of now.
    func fresh(at now: MonotonicTime) -> Value? { isFresh(at: now) ? value : nil }

    /// Returns why there is no fresh value. `nil` when there is one.
    func absence(at now: MonotonicTime) -> String? {
        guard !isFresh(at: now) else { return nil }
        if let problem { return problem }
        if let askedAt, now - askedAt > Self.ageMaxNanoseconds {
            return "no answer for \(Freshness.seconds(now - askedAt)) s"
        }
        guard value != nil else { return "not asked yet" }
        return "the last answer is \(Freshness.seconds(now - measuredAt)) s old"
    }
}

/// How long a value speaks of now.
enum Freshness {
    static let nanoseconds: Int64 = 2_500_000_000

    /// Returns whole seconds.
    static func seconds(_ nanoseconds: Int64) -> Int64 { max(0, nanoseconds) / 1_000_000_000 }
}
