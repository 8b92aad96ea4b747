internal import Primitives
internal import VenueWeb

/// What the venue knows about one client.
package struct MassiveSession: Sendable {
    var isAuthenticated = false
    private var symbols: [MassiveChannel: Set<String>] = [:]
    /// The newest status that a command ordered and that it was sent.
    var orderedStatus = 0

    var streams: Int { symbols.values.reduce(0) { $0 + $1.count } }

    /// Returns a client's message; `nil`: it is none.
    static func read(_ bytes: [UInt8]) -> JSONValue? {
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            // The client gets an error, and no more.
            return nil
        }
    }

    /// A channel and a symbol, as clients write them: `T.AAPL`.
    private struct Name {
        let text: String
        let channel: MassiveChannel
        let symbol: String

        /// Returns `nil` for a channel that there is not: the venue says nothing to it.
        init?(_ text: Substring) {
            let name = text.drop { $0 == " " }
            let parts = name.split(separator: ".", maxSplits: 1)
            guard parts.count == 2, let channel = MassiveChannel(rawValue: String(parts[0])),
                parts[1].utf8.count <= MassiveLimits.symbolBytesMax
            else { return nil }
            (self.text, self.channel, symbol) = (String(name), channel, String(parts[1]))
        }
    }

    /// Subscribes to `params`. Returns what the client is told: nothing about what it already had,
    /// and refusals before all else.
    mutating func subscribe(_ params: String, hasQuotes: Bool) -> [MassiveStatus] {
        var refusals: [MassiveStatus] = []
        var successes: [MassiveStatus] = []
        for name in params.split(separator: ",").compactMap(Name.init) {
            if name.channel == .quotes, !hasQuotes {
                refusals.append(.notAuthorized)
            } else if streams >= MassiveLimits.subscriptionsMax {
                return [.tooMany] + successes
            } else if symbols[name.channel, default: []].insert(name.symbol).inserted {
                successes.append(.success("subscribed to: \(name.text)"))
            }
        }
        return refusals + successes
    }

    mutating func unsubscribe(_ params: String) -> [MassiveStatus] {
        params.split(separator: ",").compactMap(Name.init).compactMap { name in
            symbols[name.channel]?.remove(name.symbol).map { _ in
                .success("unsubscribed to: \(name.text)")
            }
        }
    }

    func isSubscribed(_ channel: MassiveChannel, _ name: String) -> Bool {
        guard let wanted = symbols[channel] else { return false }
        return wanted.contains("*") || wanted.contains(name)
    }
}

/// Who is authenticated, the oldest first. Who comes when there are enough displaces the oldest.
struct MassiveSessions: Sendable {
    let sessionsMax: Int
    private var present: [Int] = []
    private var displaced: Set<Int> = []

    init(sessionsMax: Int) { self.sessionsMax = sessionsMax }

    mutating func enter(_ number: Int) {
        present.append(number)
        if present.count > sessionsMax { displaced.insert(present.removeFirst()) }
    }

    mutating func leave(_ number: Int) {
        present.removeAll { $0 == number }
        displaced.remove(number)
    }

    /// Displaces everybody, as sessions of another process with the same key do.
    mutating func displaceAll() {
        displaced.formUnion(present)
        present = []
    }

    /// Returns once whether a session was displaced.
    mutating func takeDisplaced(_ number: Int) -> Bool { displaced.remove(number) != nil }
}

extension WebConnection where Session == MassiveSession {
    /// Sends what the venue says, if that is anything.
    mutating func answer(_ statuses: [MassiveStatus]) {
        guard !statuses.isEmpty else { return }
        send(.text(MassiveStatus.text(statuses)), QueuedMessage(kind: "answer"))
    }

    mutating func answer(_ status: MassiveStatus) { answer([status]) }

    /// Sends a status and ends the connection without a close, as after a wrong key.
    mutating func drop(_ status: MassiveStatus) {
        answer(status)
        out.closeWhenSent()
    }
}
