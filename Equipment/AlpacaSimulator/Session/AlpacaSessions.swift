internal import Primitives
internal import VenueWeb

/// Who is authenticated at which endpoint. A session that ended uncleanly counts for a while.
struct AlpacaSessions: Sendable {
    let sessionsMax: Int
    let holdSeconds: Int64
    private var present: [AlpacaEndpoint: Set<Int>] = [:]
    private var heldUntil: [AlpacaEndpoint: [Timestamp]] = [:]

    init(sessionsMax: Int, holdSeconds: Int64) {
        (self.sessionsMax, self.holdSeconds) = (sessionsMax, holdSeconds)
    }

    /// Returns false if there are too many.
    mutating func enter(_ endpoint: AlpacaEndpoint, _ number: Int, _ now: Timestamp) -> Bool {
        heldUntil[endpoint]?.removeAll { $0 <= now }
        let count = present[endpoint, default: []].count + heldUntil[endpoint, default: []].count
        guard count < sessionsMax else { return false }
        present[endpoint, default: []].insert(number)
        return true
    }

    mutating func leave(
        _ endpoint: AlpacaEndpoint, _ number: Int, isHeld: Bool, _ now: Timestamp
    ) {
        guard present[endpoint]?.remove(number) != nil, isHeld, holdSeconds > 0 else { return }
        heldUntil[endpoint, default: []].append(
            now.advanced(byNanoseconds: holdSeconds * 1_000_000_000))
    }

    /// Forgets the sessions that have ended.
    mutating func release() { heldUntil.removeAll() }
}

extension WebConnection where Session == AlpacaSession {
    /// Sends a control message, which is alone in its frame.
    mutating func answer(_ message: WireMessage) {
        send(session.frame([AlpacaRendering(message)]), QueuedMessage(kind: "answer"))
    }

    mutating func answer(_ error: AlpacaError) { answer(AlpacaMessages.error(error)) }

    /// Sends an error and ends the connection.
    mutating func end(_ error: AlpacaError) {
        answer(error)
        close(1_000)
    }
}
