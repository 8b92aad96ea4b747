internal import Primitives

/// What commands have ordered for the requests that come next.
struct RequestFaults: Sendable {
    enum Kind: Equatable, Sendable {
        /// 429; `nil`: without `Retry-After`.
        case limited(retrySeconds: Int64?)
        case refused(status: Int)
        /// The answer is cut in the middle of its body.
        case halved
        /// The answer comes so much later.
        case late(seconds: Int64)
        /// The connection is closed instead of an answer.
        case reset
        /// The connection is closed in the middle of the answer.
        case severed
        /// There is no answer, and the connection stays open.
        case hung
        /// Bytes come that are no HTTP.
        case junk
        /// The answer is JSON of another form.
        case wrong
        /// The answer is so many bytes longer.
        case swollen(bytes: Int)
    }

    /// JSON that no request is answered by.
    static let wrongTexts = [
        "null", "[]", "{}", "0", "\"\"", "{\"data\":null}", "{\"data\":[{}]}",
        "{\"observations\":{}}", "{\"observations\":[null]}", "[[[[[[[[]]]]]]]]",
    ]

    private var kind: Kind?
    private var left = 0
    /// Requests are answered by 418 before this time.
    private var bannedUntil: Timestamp?

    /// A new order replaces the one before.
    mutating func order(_ kind: Kind, count: Int) { (self.kind, left) = (kind, count) }

    mutating func ban(until: Timestamp) { bannedUntil = until }

    /// Returns the seconds until the end of the ban; `nil`: there is none.
    func banSeconds(_ now: Timestamp) -> Int64? {
        guard let bannedUntil, now < bannedUntil else { return nil }
        return bannedUntil.nanoseconds(since: now) / 1_000_000_000 + 1
    }

    /// Takes the fault of the next request.
    mutating func take() -> Kind? {
        guard left > 0 else { return nil }
        left -= 1
        return kind
    }
}
