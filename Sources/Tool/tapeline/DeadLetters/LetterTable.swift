import TapeTransport
import MarketModel
import Primitives

/// Prints letters, as text for a person and as JSON for a program.
struct LetterTable {
    let letters: [DeadLetter]

    /// Letters with the same cause, which are listed together.
    private struct Kind: Hashable {
        let reason: DeadLetter.Reason
        let sink: String
        let cause: String

        init(_ letter: DeadLetter) {
            reason = letter.reason
            sink = letter.sink
            cause = LetterTable.cause(letter)
        }
    }

    private struct Group {
        let kind: Kind
        var letters = 0
        var ticks: UInt64 = 0
        var first = Timestamp.undefined
        var last = Timestamp(nanoseconds: Int64.min)
    }

    /// Returns what the database reported, such as "23514 price_check".
    private static func cause(_ letter: DeadLetter) -> String {
        [letter.refusal.sqlState, letter.refusal.constraint].filter { !$0.isEmpty }
            .joined(separator: " ")
    }

    private var groups: [Group] {
        var places: [Kind: Int] = [:]
        var groups: [Group] = []
        for letter in letters {
            let kind = Kind(letter)
            let place = places[kind] ?? groups.count
            if place == groups.count { groups.append(Group(kind: kind)) }
            places[kind] = place
            groups[place].letters += 1
            groups[place].ticks &+= letter.count
            groups[place].first = min(groups[place].first, letter.notedAt)
            groups[place].last = max(groups[place].last, letter.notedAt)
        }
        return groups.sorted { ($1.letters, $0.first) < ($0.letters, $1.first) }
    }

    // MARK: text

    var summary: [String] {
        guard !letters.isEmpty else { return ["no dead letters"] }
        var rows = [["REASON", "TABLE", "CAUSE", "LETTERS", "TICKS", "FIRST", "LAST"]]
        for group in groups {
            rows.append([
                group.kind.reason.rawValue, Self.named(group.kind.sink),
                Self.named(group.kind.cause),
                "\(group.letters)", "\(group.ticks)", group.first.short, group.last.short,
            ])
        }
        return TextTable.lines(rows)
    }

    var lines: [String] {
        guard !letters.isEmpty else { return ["no dead letters"] }
        var rows = [["ID", "NOTED", "REASON", "TABLE", "SYMBOL", "CAUSE"]]
        for letter in letters {
            rows.append([
                letter.id, letter.notedAt.short, letter.reason.rawValue, Self.named(letter.sink),
                Self.named(Self.printable(letter.symbol)), Self.named(Self.cause(letter)),
            ])
        }
        return TextTable.lines(rows)
    }

    /// Returns all fields of one letter except its bytes.
    static func page(_ letter: DeadLetter) -> [String] {
        let place = letter.place
        let pairs = [
            ("id", letter.id), ("reason", letter.reason.rawValue), ("table", named(letter.sink)),
            ("symbol", named(printable(letter.symbol))), ("event time", "\(letter.eventTime)"),
            ("noted at", "\(letter.notedAt)"), ("ticks", "\(letter.count)"),
            ("sqlstate", named(letter.refusal.sqlState)),
            ("constraint", named(letter.refusal.constraint)),
            ("column", named(letter.refusal.column)),
            ("message", printable(letter.refusal.message)),
            ("on the tape", place.isOnTape ? "\(place.stream) at \(place.sequence)" : "never"),
            ("of", "source \(place.source), partition \(place.partition), epoch \(place.epoch)"),
            (
                "payload",
                "\(letter.payload.count) bytes\(letter.isTruncated ? ", cut off there" : "")"
            ),
        ]
        return pairs.map { "\($0.0.padded(to: 12))\($0.1)" }
    }

    private static func named(_ text: String) -> String { text.isEmpty ? "-" : text }

    /// Text from a tape may contain control sequences that move a terminal's cursor.
    private static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
    }

    // MARK: JSON

    func json(withLetters: Bool) -> String {
        var writer = JSONWriter(capacity: 4_096)
        writer.object { writer in
            writer.member("letters", letters.count)
            writer.member(
                "groups", array: { writer in for group in groups { Self.write(group, &writer) } })
            guard withLetters else { return }
            writer.member(
                "all",
                array: { writer in
                    for letter in letters {
                        writer.literal(String(decoding: letter.json, as: UTF8.self))
                    }
                })
        }
        return writer.text
    }

    private static func write(_ group: Group, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("reason", group.kind.reason.rawValue)
            writer.member("sink", group.kind.sink)
            writer.member("cause", group.kind.cause)
            writer.member("letters", group.letters)
            writer.member("ticks", group.ticks)
            writer.member("first", group.first.description)
            writer.member("last", group.last.description)
        }
    }
}
