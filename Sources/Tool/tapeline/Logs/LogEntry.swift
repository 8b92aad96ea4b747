import Primitives
import ServiceRuntime

/// One line of a process's log, made readable. JSON of our own programs becomes words; a server's
/// line stays as it is.
struct LogEntry: Equatable, Sendable {
    let process: String
    /// The time as sortable digits, `2026-11-22 11:00:00.123`. Empty if the line has none.
    let time: String
    /// `nil` if the line has no level.
    let level: LogLevel?
    let text: String
}

extension LogEntry {
    /// Members that have columns of their own.
    private static let shownApart: Set<String> = ["ts", "level", "service", "event", "message"]
    private static let timeLength = 23
    /// A longer line is truncated.
    static let textBytesMax = 4_096

    init(process: String, line: String) {
        guard line.first == "{", let document = parsedJSON(Array(line.utf8)),
            let message = document["message"]?.string
        else {
            self.init(
                process: process, time: Self.time(in: line), level: nil,
                text: Self.clean(line))
            return
        }
        let name = document["level"]?.string
        var words = [message]
        for member in document.members ?? [] where !Self.shownApart.contains(member.key) {
            words.append("\(member.key)=\(Self.shown(member.value))")
        }
        self.init(
            process: process, time: Self.time(in: document["ts"]?.string ?? ""),
            level: LogLevel.allCases.first { $0.name == name },
            text: Self.clean(words.joined(separator: " ")))
    }

    /// `11:00:00.123 store-writer       warning  waiting for the tape`
    var shown: String {
        let clock = time.isEmpty ? "" : String(time.dropFirst(11))
        return clock.padded(to: 12) + " " + process.padded(to: 17) + " "
            + (level?.name ?? "").padded(to: 7) + " " + text
    }

    private static func shown(_ value: JSONValue) -> String {
        switch value {
        case .null: "none"
        case .bool(let flag): "\(flag)"
        case .number(let text): text
        case .string(let text): text.contains(" ") ? "'\(text)'" : text
        case .array(let values): "[\(values.map(shown).joined(separator: ", "))]"
        case .object(let members):
            "{\(members.map { "\($0.key)=\(shown($0.value))" }.joined(separator: ", "))}"
        }
    }

    /// Returns the time from `2026-11-22T11:00:00.123456789Z`, `2026/11/22 11:00:00.123456` or
    /// `2026-11-22 11:00:00.123 UTC`. A few other characters may come before it.
    private static func time(in line: String) -> String {
        let pattern = /(\d{4})[-\/](\d\d)[-\/](\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?/
        guard let found = line.prefix(64).firstMatch(of: pattern)?.output else { return "" }
        let fraction = String((found.5 ?? ".").prefix(4))
        return "\(found.1)-\(found.2)-\(found.3) \(found.4)"
            + fraction.padding(to: timeLength - 19)
    }

    /// Removes control characters, which could overwrite what a terminal shows.
    private static func clean(_ text: String) -> String {
        var short = ""
        for character in text where !character.unicodeScalars.contains(where: isControl) {
            guard short.utf8.count + character.utf8.count <= textBytesMax else { break }
            short.append(character)
        }
        return short
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 32 || (127...159).contains(scalar.value)
    }
}

extension String {
    /// Returns the fraction padded with zeros at its end.
    fileprivate func padding(to length: Int) -> String {
        self + String(repeating: "0", count: max(0, length - count))
    }
}

extension [LogEntry] {
    /// Returns the entries in the order of time. A line without a time stays after the previous
    /// line of its process.
    func merged() -> [LogEntry] {
        var last: [String: String] = [:]
        let timed = enumerated().map { place, entry in
            let time = entry.time.isEmpty ? last[entry.process] ?? "" : entry.time
            last[entry.process] = time
            return (time: time, place: place, entry: entry)
        }
        return timed.sorted { ($0.time, $0.place) < ($1.time, $1.place) }.map(\.entry)
    }
}
