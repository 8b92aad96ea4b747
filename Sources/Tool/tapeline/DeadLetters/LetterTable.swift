import DeadLetters
import MarketModel
import Primitives
import TapeTransport

/// Prints letters, as text for a person and as JSON for a program.
struct LetterTable {
    let letters: [DeadLetter]

    /// The letters by reason, table and cause.
    var groups: ReportRows<LetterGroup> {
        var groups = LetterGroups(kindsMax: .max)
        for letter in letters { groups.add(letter) }
        let titles = LetterWords.groupTitles.map { $0.uppercased() }
        return ReportRows(
            groups.sorted,
            [
                ReportColumn(titles[0], "reason") { .text($0.kind.reason.rawValue) },
                ReportColumn(titles[1], "sink") { .text($0.kind.sink) },
                ReportColumn(titles[2], "cause") { .text($0.kind.cause) },
                ReportColumn(titles[3], "letters") { .number($0.letters) },
                ReportColumn(titles[4], "ticks") { .number($0.ticks) },
                ReportColumn(titles[5], "first") { .time($0.first) },
                ReportColumn(titles[6], "last") { .time($0.last) },
            ])
    }

    /// The letters one by one.
    var all: ReportRows<DeadLetter> {
        let titles = LetterWords.titles.map { $0.uppercased() }
        return ReportRows(
            letters,
            [
                ReportColumn(titles[0], "id") { .text($0.id) },
                ReportColumn(titles[1], "noted_at") { .time($0.notedAt) },
                ReportColumn(titles[2], "reason") { .text($0.reason.rawValue) },
                ReportColumn(titles[3], "sink") { .text($0.sink) },
                ReportColumn(titles[4], "symbol") { .text(LetterWords.printable($0.symbol)) },
                ReportColumn(titles[5], "cause") { .text($0.cause) },
            ])
    }

    // MARK: text

    var summary: [String] { letters.isEmpty ? ["no dead letters"] : groups.table }
    var lines: [String] { letters.isEmpty ? ["no dead letters"] : all.table }

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
        JSONWriter.made { writer in
            writer.member("letters", letters.count)
            writer.member("groups", rows: groups)
            guard withLetters else { return }
            writer.array("all", of: letters) { writer, letter in
                writer.literal(String(decoding: letter.json, as: UTF8.self))
            }
        }.text
    }
}
