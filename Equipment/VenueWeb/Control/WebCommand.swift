/// A command of the control port, which is one line.
package enum WebCommand: Equatable, Sendable {
    case cut
    case close(code: UInt16)
    case truncate
    case mute(seconds: Int64)
    /// Nothing is sent for this time, and then all of it.
    case slow(seconds: Int64)
    case halfOpen
    case garbage(bytes: Int)
    case badJSON
    case oversized(bytes: Int)
    case shutdown(seconds: Int64)
    case down(seconds: Int64)
    /// The next requests are answered by 429; `nil`: without `Retry-After`.
    case limit(Int, retrySeconds: Int64?)
    case ban(seconds: Int64)
    /// The next requests are answered by this status.
    case fail(Int, status: Int)
    /// The next WebSockets are refused by this status.
    case refuse(Int, status: Int)
    /// The answers to the next requests end in the middle.
    case halve(Int)
    /// The next requests are answered later.
    case late(Int, seconds: Int64)
    /// The connection is closed instead of the next answers.
    case reset(Int)
    /// The connection is closed in the middle of the next answers.
    case sever(Int)
    /// The next requests are not answered.
    case hang(Int)
    /// The next requests are answered by bytes that are no HTTP.
    case junk(Int)
    /// The next requests are answered by JSON of another form.
    case wrong(Int)
    /// The next answers are so many bytes longer.
    case swell(Int, bytes: Int)
    case status
    case quit
    case crash
    /// One that only this venue may have.
    case own(String, [Int])

    /// Whether it disturbs WebSockets.
    var isDisturbance: Bool {
        switch self {
        case .cut, .close, .truncate, .mute, .slow, .halfOpen, .garbage, .badJSON, .oversized,
            .shutdown:
            true
        case .down, .limit, .ban, .fail, .refuse, .halve, .late, .reset, .sever, .hang, .junk,
            .wrong,
            .swell, .status, .quit, .crash, .own:
            false
        }
    }

    /// The commands that all venues have, for the help and the answer to an unknown one.
    static let usage =
        "cut | close [CODE] | truncate | mute [SECONDS] | slow SECONDS | half-open | "
        + "garbage BYTES | bad-json | oversized BYTES | shutdown [SECONDS] | down [SECONDS] | "
        + "limit N [RETRY-SECONDS] | ban SECONDS | fail N [STATUS] | refuse N STATUS | halve N | "
        + "late N SECONDS | "
        + "reset N | sever N | hang N | junk N | wrong N | swell N BYTES"
    static let lastUsage =
        " | status | quit | crash; "
        + "with 'one' before it, what disturbs connections disturbs the oldest alone"

    /// Returns `nil` if the line is not understood.
    package init?(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        guard let name = words.first else { return nil }
        let numbers = words.dropFirst().compactMap { word in
            Int(word).flatMap { (0...WebLimits.faultBytesMax).contains($0) ? $0 : nil }
        }
        guard numbers.count == words.count - 1 else { return nil }
        guard Self.names.contains(name) else {
            self = .own(name, numbers)
            return
        }
        guard numbers.count <= 2, let command = Self.command(name, numbers) else { return nil }
        self = command
    }

    private static let plain: [String: WebCommand] = [
        "cut": .cut, "close": .close(code: 1_001), "truncate": .truncate,
        "mute": .mute(seconds: Int64(WebLimits.commandSecondsMax)),
        "half-open": .halfOpen, "bad-json": .badJSON, "shutdown": .shutdown(seconds: 10),
        "down": .down(seconds: 5), "status": .status, "quit": .quit, "crash": .crash,
    ]
    private static let counted: Set<String> = [
        "slow", "garbage", "oversized", "limit", "ban", "fail", "refuse", "halve", "late", "reset",
        "sever",
        "hang", "junk", "wrong", "swell",
    ]
    private static let names = counted.union(plain.keys)

    private static func command(_ name: String, _ numbers: [Int]) -> WebCommand? {
        guard let first = numbers.first else { return plain[name] }
        return numbers.count == 1 ? command(name, first) : command(name, first, numbers[1])
    }

    private static func command(_ name: String, _ number: Int) -> WebCommand? {
        let seconds = number <= WebLimits.commandSecondsMax ? Int64(number) : nil
        let count = (1...WebLimits.faultCountMax).contains(number) ? number : nil
        let code = (1_000...4_999).contains(number) ? UInt16(number) : nil
        let commands: [String: WebCommand?] = [
            "close": code.map { .close(code: $0) }, "garbage": .garbage(bytes: number),
            "oversized": .oversized(bytes: number), "halve": count.map { .halve($0) },
            "limit": count.map { .limit($0, retrySeconds: nil) },
            "fail": count.map { .fail($0, status: 500) },
            "reset": count.map { .reset($0) }, "sever": count.map { .sever($0) },
            "hang": count.map { .hang($0) }, "junk": count.map { .junk($0) },
            "wrong": count.map { .wrong($0) },
            "mute": seconds.map { .mute(seconds: $0) }, "slow": seconds.map { .slow(seconds: $0) },
            "shutdown": seconds.map { .shutdown(seconds: $0) },
            "down": seconds.map { .down(seconds: $0) }, "ban": seconds.map { .ban(seconds: $0) },
        ]
        return commands[name] ?? nil
    }

    private static func command(_ name: String, _ number: Int, _ other: Int) -> WebCommand? {
        guard (1...WebLimits.faultCountMax).contains(number) else { return nil }
        let seconds = Int64(min(other, WebLimits.commandSecondsMax))
        let commands: [String: WebCommand?] = [
            "limit": .limit(number, retrySeconds: seconds),
            "fail": (400...599).contains(other) ? .fail(number, status: other) : nil,
            "refuse": (400...599).contains(other) ? .refuse(number, status: other) : nil,
            "late": .late(number, seconds: seconds),
            "swell": .swell(number, bytes: other),
        ]
        return commands[name] ?? nil
    }
}
