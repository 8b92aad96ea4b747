import Primitives

/// A question with parameters, which people choose.
protocol Choosable: Hashable, Sendable {
    /// What such questions are about, as in "16 different charts".
    static var plural: String { get }
    /// It is not asked again before this time is over.
    var intervalNanoseconds: Int64 { get }
}

/// Which questions with parameters are asked, and in which order. Each is asked once in its
/// interval, however many look, and no more when nobody looks at its answer. Pure.
struct QuestionBook<Key: Choosable, Value: Sendable>: Sendable {
    /// The most different questions. At one more the oldest is refused.
    static var openMax: Int { 48 }
    /// A question that failed is not asked again before this time is over, so that one that takes
    /// its whole limit does not hold up the others.
    static var retryNanoseconds: Int64 { 5_000_000_000 }
    /// An answer that nobody looked at for so long is forgotten.
    static var graceNanoseconds: Int64 { 5_000_000_000 }

    static var refusal: String {
        "more than \(openMax) different \(Key.plural) are open at this cockpit, so the oldest was "
            + "put back: close a page, or wait"
    }

    enum Look: Sendable {
        case known(Known<Value>)
        /// Another question took its place. It is asked again by the next look.
        case refused(String)
    }

    private struct Entry: Sendable {
        var known = Known<Value>()
        /// The order in which questions came.
        let number: UInt64
        var wantedAt: MonotonicTime
        var dueAt: MonotonicTime
    }

    private var entries: [Key: Entry] = [:]
    /// Questions that were put back, whose next look has to say so. As many as there may be
    /// questions.
    private var refused: [Key] = []
    private var count: UInt64 = 0

    init() {}

    /// Returns what is known, and notes that it is wanted. `isNew` says whether it is a question
    /// that is to be asked now.
    mutating func look(_ key: Key, at now: MonotonicTime) -> (look: Look, isNew: Bool) {
        if let place = refused.firstIndex(of: key) {
            refused.remove(at: place)
            return (.refused(Self.refusal), false)
        }
        if let known = entries[key]?.known {
            entries[key]?.wantedAt = now
            return (.known(known), false)
        }
        forget(at: now)
        if entries.count >= Self.openMax, let oldest = entries.min(by: isOlder) {
            entries[oldest.key] = nil
            if refused.count >= Self.openMax { refused.removeFirst() }
            refused.append(oldest.key)
        }
        count += 1
        entries[key] = Entry(number: count, wantedAt: now, dueAt: now)
        return (.known(Known()), true)
    }

    /// Returns the question to ask now: of those that are due the one that waits for longest.
    mutating func next(at now: MonotonicTime) -> Key? {
        forget(at: now)
        let due = entries.filter { $0.value.dueAt <= now }
        let first = due.min {
            ($0.value.dueAt, $0.value.number) < ($1.value.dueAt, $1.value.number)
        }
        guard let key = first?.key else { return nil }
        entries[key]?.known.askedAt = now
        entries[key]?.dueAt = now + key.intervalNanoseconds
        return key
    }

    /// When the next question is due. `nil` if there is none.
    var dueAt: MonotonicTime? { entries.values.map(\.dueAt).min() }

    /// Takes the answer to a question that `next` gave. One that was put back meanwhile is dropped.
    mutating func put(_ key: Key, _ known: Known<Value>) {
        entries[key]?.known = known
    }

    /// Notes why a question has no answer. The last answer stays, with its time.
    mutating func fail(_ key: Key, _ problem: String, at now: MonotonicTime) {
        entries[key]?.known.problem = problem
        entries[key]?.known.askedAt = nil
        entries[key]?.dueAt = now + max(key.intervalNanoseconds, Self.retryNanoseconds)
    }

    private mutating func forget(at now: MonotonicTime) {
        entries = entries.filter { now - $0.value.wantedAt < Self.graceNanoseconds }
    }

    private func isOlder(
        _ one: (key: Key, value: Entry), _ other: (key: Key, value: Entry)
    ) -> Bool { one.value.number < other.value.number }
}
