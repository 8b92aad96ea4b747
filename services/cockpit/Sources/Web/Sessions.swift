import Primitives

/// The people who gave a token, by the cookie that they got for it. Pure.
struct Sessions: Sendable {
    /// The most people. At one more the oldest has to give the token again.
    static let countMax = 256
    static let lifeNanoseconds: Int64 = 12 * 3_600 * 1_000_000_000
    /// After so many wrong tokens of one address in a minute none of it are looked at for the rest
    /// of it, and nobody's after so many of all.
    static let wrongMax = 10
    static let wrongOfAllMax = 200
    static let wrongWindowNanoseconds: Int64 = 60_000_000_000

    enum Outcome: Equatable, Sendable {
        case opened
        case wrong
        case tooMany
    }

    private var sessions: [(id: String, person: String?, until: MonotonicTime)] = []
    /// By address. It has an entry for each wrong token at most.
    private var wrong: [String: Int] = [:]
    private var wrongSince = MonotonicTime.distantPast

    init() {}

    /// What is taken for a token.
    struct Tokens: Sendable {
        /// The one that all readers share; empty: none.
        var shared: String
        var people = People()
    }

    /// Who somebody with a cookie is.
    enum Visitor: Equatable, Sendable {
        /// Somebody with the token that all readers share.
        case reader
        case person(String)
    }

    /// `id` is a fresh random one, which stands for the person from now on if the token is right:
    /// the one that all share, or that of one of the people.
    mutating func open(
        _ given: String, _ tokens: Tokens, id: String, from origin: String = "",
        at now: MonotonicTime
    ) -> Outcome {
        if now - wrongSince >= Self.wrongWindowNanoseconds { (wrong, wrongSince) = ([:], now) }
        let ofAll = wrong.values.reduce(0, +)
        guard wrong[origin, default: 0] < Self.wrongMax, ofAll < Self.wrongOfAllMax else {
            return .tooMany
        }
        let person = tokens.people.name(of: given)
        guard person != nil || (!tokens.shared.isEmpty && Self.isEqual(given, tokens.shared)) else {
            wrong[origin, default: 0] += 1
            return .wrong
        }
        sessions.removeAll { $0.until <= now }
        if sessions.count >= Self.countMax {
            // Readers make room first, so that none of them can shut a person out.
            sessions.remove(at: sessions.firstIndex { $0.person == nil } ?? 0)
        }
        sessions.append((id, person, now + Self.lifeNanoseconds))
        return .opened
    }

    /// Returns who has this cookie. `nil` if nobody has it now.
    func visitor(_ id: String, at now: MonotonicTime) -> Visitor? {
        let session = sessions.first { $0.until > now && Self.isEqual($0.id, id) }
        return session.map { $0.person.map(Visitor.person) ?? .reader }
    }

    mutating func close(_ id: String) { sessions.removeAll { Self.isEqual($0.id, id) } }

    /// Compares in a time that tells nothing of where two texts differ.
    static func isEqual(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
