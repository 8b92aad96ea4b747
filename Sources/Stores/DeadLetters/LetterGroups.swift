internal import MarketModel
package import Primitives
package import TapeTransport

/// Letters with the same cause, which are listed together.
package struct LetterGroup: Equatable, Sendable {
    /// What the letters of a group have in common.
    package struct Kind: Hashable, Sendable {
        package let reason: DeadLetter.Reason
        package let sink: String
        package let cause: String

        /// Returns the kind of a letter.
        package init(_ letter: DeadLetter) {
            reason = letter.reason
            sink = letter.sink
            cause = letter.cause
        }
    }

    package let kind: Kind
    package fileprivate(set) var letters = 0
    package fileprivate(set) var ticks: UInt64 = 0
    /// When the first and the last of them were refused.
    package fileprivate(set) var first = Timestamp.undefined
    package fileprivate(set) var last = Timestamp(nanoseconds: Int64.min)
}

/// Counts letters by their causes. Pure.
package struct LetterGroups: Sendable {
    /// The most groups. Letters of further kinds are counted in `ungrouped` alone.
    package let kindsMax: Int
    package private(set) var ungrouped = 0
    private var groups: [LetterGroup.Kind: LetterGroup] = [:]

    /// Makes an empty count.
    package init(kindsMax: Int) { self.kindsMax = kindsMax }

    /// Counts a letter. Returns its kind; `nil` when there are too many kinds.
    @discardableResult
    package mutating func add(_ letter: DeadLetter) -> LetterGroup.Kind? {
        let kind = LetterGroup.Kind(letter)
        guard groups[kind] != nil || groups.count < kindsMax else {
            ungrouped += 1
            return nil
        }
        var group = groups[kind] ?? LetterGroup(kind: kind)
        group.letters += 1
        group.ticks &+= letter.count
        group.first = min(group.first, letter.notedAt)
        group.last = max(group.last, letter.notedAt)
        groups[kind] = group
        return kind
    }

    /// The groups, the largest first.
    package var sorted: [LetterGroup] {
        groups.values.sorted { one, other in
            (other.letters, one.first, one.kind.name) < (one.letters, other.first, other.kind.name)
        }
    }
}

extension LetterGroup.Kind {
    /// All of it, for an order that is always the same.
    fileprivate var name: String { "\(reason.rawValue) \(sink) \(cause)" }
}

extension DeadLetter {
    /// What the database reported, such as "23514 price_check".
    package var cause: String {
        [refusal.sqlState, refusal.constraint].filter { !$0.isEmpty }.joined(separator: " ")
    }
}

/// The words in which letters are listed.
package enum LetterWords {
    /// The columns of a list of groups.
    package static let groupTitles = [
        "Reason", "Table", "Cause", "Letters", "Ticks", "First", "Last",
    ]
    /// The columns of a list of letters.
    package static let titles = ["ID", "Noted", "Reason", "Table", "Symbol", "Cause"]

    /// Returns a mark for what is empty.
    package static func named(_ text: String) -> String { text.isEmpty ? "-" : text }

    /// Returns the text without control characters. Text from a tape may contain sequences that
    /// move a terminal's cursor.
    package static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) })
    }
}
