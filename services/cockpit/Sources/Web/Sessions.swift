import Primitives

/// The people who gave the token, by the cookie that they got for it. Pure.
struct Sessions: Sendable {
    /// The most people. At one more the oldest has to give the token again.
    static let countMax = 256
    static let lifeNanoseconds: Int64 = 12 * 3_600 * 1_000_000_000
    /// After so many wrong tokens in a minute no token is looked at for the rest of it.
    static let wrongMax = 10
    static let wrongWindowNanoseconds: Int64 = 60_000_000_000

    enum Outcome: Equatable, Sendable {
        case opened
        case wrong
        case tooMany
    }

    private var sessions: [(id: String, until: MonotonicTime)] = []
    private var wrong = 0
    private var wrongSince = MonotonicTime.distantPast

    init() {}

    /// `id` is a fresh random one, which stands for the person from now on if the token is right.
    mutating func open(
        _ given: String, token: String, id: String, at now: MonotonicTime
    ) -> Outcome {
        if now - wrongSince >= Self.wrongWindowNanoseconds { (wrong, wrongSince) = (0, now) }
        guard wrong < Self.wrongMax else { return .tooMany }
        guard !token.isEmpty, Self.isEqual(given, token) else {
            wrong += 1
            return .wrong
        }
        sessions.removeAll { $0.until <= now }
        if sessions.count >= Self.countMax { sessions.removeFirst() }
        sessions.append((id, now + Self.lifeNanoseconds))
        return .opened
    }

    func has(_ id: String, at now: MonotonicTime) -> Bool {
        sessions.contains { $0.until > now && Self.isEqual($0.id, id) }
    }

    /// Compares in a time that tells nothing of where two texts differ.
    private static func isEqual(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
