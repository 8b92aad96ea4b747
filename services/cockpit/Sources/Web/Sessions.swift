import Primitives
import ServiceRuntime

/// The people who gave a token, by the cookie that they got for it. Pure.
struct Sessions: Sendable {
    /// The most people. At one more the oldest has to give the token again; a reader makes no room
    /// of a person.
    static let countMax = 256
    static let lifeNanoseconds: Int64 = 12 * 3_600 * 1_000_000_000
    /// After so many wrong tokens of one peer in a minute, or of all, further ones are not counted
    /// or written down. A right one is always taken.
    static let wrongMax = 10
    static let wrongOfAllMax = 200
    static let wrongWindowNanoseconds: Int64 = 60_000_000_000

    enum Outcome: Equatable, Sendable {
        case opened(Visitor)
        case wrong
        /// It is a person's, and came without the browser's secret, without which nobody acts.
        case keyless
        /// It was wrong, after many others.
        case tooMany
        /// All who are signed in are people, and a reader asks.
        case full
    }

    private struct Session {
        let id: String
        /// The browser's secret. Empty: a reader gave none.
        let key: String
        /// `nil`: a reader. A person has a key.
        let person: String?
        /// The SHA-256 of the token.
        let digest: String
        let until: MonotonicTime
    }

    private var sessions: [Session] = []
    /// It has an entry for each wrong token at most.
    private var wrong: [PeerAddress?: Int] = [:]
    private var wrongSince = MonotonicTime.distantPast

    init() {}

    /// What is taken for a token.
    struct Tokens: Equatable, Sendable {
        /// The one that all readers share; empty: none.
        var shared: String
        var people = People()
    }

    /// Who somebody with a cookie is.
    enum Visitor: Equatable, Sendable {
        /// Somebody who may read.
        case reader
        case person(String)
    }

    /// What a browser has of its session.
    struct Ticket: Sendable {
        /// A page of another origin may have put a cookie of the same name beside the right one, so
        /// there may be several.
        var ids: [String]
        /// Unlike a cookie it goes to no other port of the host.
        var key = ""
    }

    /// What somebody gives to be let in.
    struct Attempt: Sendable {
        var token: String
        /// A fresh random one, which stands for the person from now on if the token is right.
        var id: String
        /// The browser's own secret.
        var key = ""
        var origin = ""
    }

    /// A token is right that is the one that all share, or that of one of the people.
    mutating func open(
        _ attempt: Attempt, _ tokens: Tokens, at now: MonotonicTime
    ) -> Outcome {
        let person = tokens.people.name(of: attempt.token)
        let isShared = !tokens.shared.isEmpty && Self.isEqual(attempt.token, tokens.shared)
        guard person != nil || isShared else {
            return refuse(PeerAddress(attempt.origin), at: now)
        }
        guard person == nil || !attempt.key.isEmpty else { return .keyless }
        sessions.removeAll { $0.until <= now }
        if sessions.count >= Self.countMax {
            let reader = sessions.firstIndex { $0.person == nil }
            guard let oldest = reader ?? (person == nil ? nil : 0) else { return .full }
            sessions.remove(at: oldest)
        }
        sessions.append(
            Session(
                id: attempt.id, key: attempt.key, person: person,
                digest: WebDigest.sha256(attempt.token), until: now + Self.lifeNanoseconds))
        return .opened(person.map(Visitor.person) ?? .reader)
    }

    /// Ends the sessions whose token is none of these.
    mutating func keepOnly(_ tokens: Tokens) {
        let shared = tokens.shared.isEmpty ? nil : WebDigest.sha256(tokens.shared)
        sessions.removeAll { session in
            session.person == nil
                ? session.digest != shared
                : tokens.people.name(ofDigest: session.digest) != session.person
        }
    }

    private mutating func refuse(_ peer: PeerAddress?, at now: MonotonicTime) -> Outcome {
        if now - wrongSince >= Self.wrongWindowNanoseconds { (wrong, wrongSince) = ([:], now) }
        let ofAll = wrong.values.reduce(0, +)
        guard wrong[peer, default: 0] < Self.wrongMax, ofAll < Self.wrongOfAllMax else {
            return .tooMany
        }
        wrong[peer, default: 0] += 1
        return .wrong
    }

    /// Returns who has this ticket. `nil`: nobody has it now. A person's cookie without the secret
    /// of its browser is good for reading alone.
    func visitor(_ ticket: Ticket, at now: MonotonicTime) -> Visitor? {
        var found: Visitor?
        for session in sessions where session.until > now && Self.has(ticket, session) {
            if let person = session.person, Self.isEqual(session.key, ticket.key) {
                return .person(person)
            }
            found = .reader
        }
        return found
    }

    mutating func close(_ ticket: Ticket) { sessions.removeAll { Self.has(ticket, $0) } }

    private static func has(_ ticket: Ticket, _ session: Session) -> Bool {
        ticket.ids.contains { isEqual($0, session.id) }
    }

    /// Returns 192 random bits, as hexadecimal digits.
    static func secret(from random: inout some RandomNumberGenerator) -> String {
        (0..<24).map { _ in
            let digits = String(random.next() as UInt8, radix: 16)
            return digits.utf8.count == 1 ? "0\(digits)" : digits
        }.joined()
    }

    /// Compares in a time that tells nothing of where two texts differ.
    static func isEqual(_ one: String, _ other: String) -> Bool {
        guard one.utf8.count == other.utf8.count else { return false }
        return zip(one.utf8, other.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
