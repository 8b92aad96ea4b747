import Primitives

/// The questions in SQL that are being answered, each by a thread of its own, and their answers
/// until a page has taken them. Pure.
struct AskBook: Sendable {
    /// The most questions at a time, with the answers that no page has taken. At one more the new
    /// one is refused.
    static let countMax = 4
    /// A page that has not looked for so long has left.
    static let graceNanoseconds: Int64 = 3_000_000_000

    static let ownRefusal = "your question before this one is not over: wait, or stop it"
    static let fullRefusal = "\(countMax) questions are being answered: try it again in a moment"

    private struct Entry: Sendable {
        let number: UInt64
        let person: String
        let askedAt: MonotonicTime
        var seenAt: MonotonicTime
        var isLeft = false
        /// `nil`: its thread has not ended.
        var answer: [UInt8]?

        func isWanted(at now: MonotonicTime) -> Bool {
            !isLeft && now - seenAt < AskBook.graceNanoseconds
        }
    }

    enum Submitted: Equatable, Sendable {
        /// The thread of this place is to answer it.
        case taken(place: Int)
        case refused(String)
    }

    enum Look: Equatable, Sendable {
        case underWay(nanoseconds: Int64)
        case answered([UInt8])
        /// It is none of this person, was answered already, or its page was away for too long.
        case unknown
    }

    private var entries = [Entry?](repeating: nil, count: AskBook.countMax)

    init() {}

    mutating func submit(
        _ number: UInt64, of person: String, at now: MonotonicTime
    ) -> Submitted {
        for (place, entry) in entries.enumerated() {
            guard let entry, entry.answer != nil else { continue }
            if entry.person == person || !entry.isWanted(at: now) { entries[place] = nil }
        }
        guard !entries.contains(where: { $0?.person == person }) else {
            return .refused(Self.ownRefusal)
        }
        guard let place = entries.firstIndex(where: { $0 == nil }) else {
            return .refused(Self.fullRefusal)
        }
        entries[place] = Entry(number: number, person: person, askedAt: now, seenAt: now)
        return .taken(place: place)
    }

    /// Returns what is known of the question, and notes that its page is there. An answer is
    /// returned once.
    mutating func look(_ number: UInt64, of person: String, at now: MonotonicTime) -> Look {
        guard let place = place(number, person), let entry = entries[place] else {
            return .unknown
        }
        guard let answer = entry.answer else {
            entries[place]?.seenAt = now
            return .underWay(nanoseconds: now - entry.askedAt)
        }
        entries[place] = nil
        return .answered(answer)
    }

    /// The page wants no answer any more.
    mutating func leave(_ number: UInt64, of person: String) {
        guard let place = place(number, person) else { return }
        entries[place]?.isLeft = true
        if entries[place]?.answer != nil { entries[place] = nil }
    }

    /// Whether a page waits for the answer of the thread with this place.
    func isWanted(_ place: Int, at now: MonotonicTime) -> Bool {
        entries[place]?.isWanted(at: now) ?? false
    }

    /// Ends the question of this place.
    mutating func put(_ place: Int, _ answer: [UInt8], at now: MonotonicTime) {
        let isWanted = isWanted(place, at: now)
        entries[place]?.answer = answer
        if !isWanted { entries[place] = nil }
    }

    private func place(_ number: UInt64, _ person: String) -> Int? {
        entries.firstIndex { $0?.number == number && $0?.person == person }
    }
}
