import DeadLetters
import MarketModel
import Primitives
import TapeTransport

/// Prints letters, as text for a person and as JSON for a program.
struct LetterTable {
    let letters: [DeadLetter]

    private var groups: [LetterGroup] {
        var groups = LetterGroups(kindsMax: .max)
        for letter in letters { groups.add(letter) }
        return groups.sorted
    }

    // MARK: text

    var summary: [String] {
        guard !letters.isEmpty else { return ["no dead letters"] }
        var rows = [LetterWords.groupTitles.map { $0.uppercased() }]
        for group in groups {
            rows.append([
                group.kind.reason.rawValue, LetterWords.named(group.kind.sink),
                LetterWords.named(group.kind.cause),
                "\(group.letters)", "\(group.ticks)", group.first.short, group.last.short,
            ])
        }
        return TextTable.lines(rows)
    }

    var lines: [String] {
        guard !letters.isEmpty else { return ["no dead letters"] }
        var rows = [LetterWords.titles.map { $0.uppercased() }]
        for letter in letters {
            rows.append([
                letter.id, letter.notedAt.short, letter.reason.rawValue,
                LetterWords.named(letter.sink),
                LetterWords.named(LetterWords.printable(letter.symbol)),
                LetterWords.named(letter.cause),
            ])
        }
        return TextTable.lines(rows)
    }

    /// Returns all fields of one letter except its bytes.
    static func page(_ letter: DeadLetter) -> [String] {
        let place = letter.place
        let pairs = [
            ("id", letter.id), ("reason", letter.reason.rawValue),
            ("table", LetterWords.named(letter.sink)),
            ("symbol", LetterWords.named(LetterWords.printable(letter.symbol))),
            ("event time", "\(letter.eventTime)"),
            ("noted at", "\(letter.notedAt)"), ("ticks", "\(letter.count)"),
            ("sqlstate", LetterWords.named(letter.refusal.sqlState)),
            ("constraint", LetterWords.named(letter.refusal.constraint)),
            ("column", LetterWords.named(letter.refusal.column)),
            ("message", LetterWords.printable(letter.refusal.message)),
            ("on the tape", place.isOnTape ? "\(place.stream) at \(place.sequence)" : "never"),
            ("of", "source \(place.source), partition \(place.partition), epoch \(place.epoch)"),
            (
                "payload",
                "\(letter.payload.count) bytes\(letter.isTruncated ? ", cut off there" : "")"
            ),
        ]
        return pairs.map { "\($0.0.padded(to: 12))\($0.1)" }
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

    private static func write(_ group: LetterGroup, _ writer: inout JSONWriter) {
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
