/// A command of the control port, which is one line.
package enum ExchangeCommand: Equatable, Sendable {
    case cut
    case close(code: UInt16)
    case truncate
    case mute(seconds: Int64)
    case halfOpen
    case garbage(bytes: Int)
    case badJSON
    case oversized(bytes: Int)
    case lose(Int)
    case shutdown(seconds: Int64)
    case down(seconds: Int64)
    /// The next requests of the REST API are answered by 429; `nil`: without `Retry-After`.
    case limit(Int, retrySeconds: Int64?)
    case ban(seconds: Int64)
    case status
    case quit
    case crash

    /// Whether it disturbs WebSockets.
    var isDisturbance: Bool {
        switch self {
        case .cut, .close, .truncate, .mute, .halfOpen, .garbage, .badJSON, .oversized, .shutdown:
            true
        case .lose, .down, .limit, .ban, .status, .quit, .crash: false
        }
    }

    /// The list of commands that answers an unknown one.
    package static let usage =
        "cut | close [CODE] | truncate | mute [SECONDS] | half-open | garbage BYTES | bad-json | "
        + "oversized BYTES | lose N | shutdown [SECONDS] | down [SECONDS] | "
        + "limit N [RETRY-SECONDS] | ban SECONDS | status | quit | crash; "
        + "with 'one' before it, what disturbs connections disturbs the oldest alone"

    /// Returns `nil` if the line is not understood.
    package init?(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        guard let name = words.first else { return nil }
        let numbers = words.dropFirst().compactMap { word in
            Int(word).flatMap { (0...ExchangeLimits.faultBytesMax).contains($0) ? $0 : nil }
        }
        guard numbers.count == words.count - 1,
            let command = Self.plain(name, numbers) ?? Self.counted(name, numbers)
        else { return nil }
        self = command
    }

    private static func plain(_ name: String, _ numbers: [Int]) -> ExchangeCommand? {
        let plain: [String: ExchangeCommand] = [
            "cut": .cut, "close": .close(code: 1_001), "truncate": .truncate,
            "mute": .mute(seconds: Int64(ExchangeLimits.commandSecondsMax)),
            "half-open": .halfOpen, "bad-json": .badJSON, "shutdown": .shutdown(seconds: 10),
            "down": .down(seconds: 5), "status": .status, "quit": .quit, "crash": .crash,
        ]
        return numbers.isEmpty ? plain[name] : nil
    }

    private static func counted(_ name: String, _ numbers: [Int]) -> ExchangeCommand? {
        guard let first = numbers.first else { return nil }
        let seconds = first <= ExchangeLimits.commandSecondsMax ? Int64(first) : nil
        let count = (1...ExchangeLimits.faultCountMax).contains(first) ? first : nil
        if name == "limit", numbers.count == 2 {
            let retry = Int64(min(numbers[1], ExchangeLimits.commandSecondsMax))
            return count.map { .limit($0, retrySeconds: retry) }
        }
        guard numbers.count == 1 else { return nil }
        let code = (1_000...4_999).contains(first) ? UInt16(first) : nil
        let commands: [String: ExchangeCommand?] = [
            "close": code.map { .close(code: $0) }, "garbage": .garbage(bytes: first),
            "oversized": .oversized(bytes: first), "lose": count.map { .lose($0) },
            "limit": count.map { .limit($0, retrySeconds: nil) },
            "mute": seconds.map { .mute(seconds: $0) },
            "shutdown": seconds.map { .shutdown(seconds: $0) },
            "down": seconds.map { .down(seconds: $0) }, "ban": seconds.map { .ban(seconds: $0) },
        ]
        return commands[name] ?? nil
    }
}
