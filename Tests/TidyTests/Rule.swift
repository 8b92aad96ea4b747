import Testing

/// A place where a house rule is broken.
struct Violation: Sendable, CustomStringConvertible {
    let path: String
    /// From 1; 0 when it is about the file as a whole, or about one that is missing.
    let line: Int
    let what: String

    init(_ path: String, _ line: Int, _ what: String) {
        self.path = path
        self.line = line
        self.what = what
    }

    var description: String { "\(path):\(max(line, 1)): \(what)" }
}

/// A rule of the house, with examples that prove that it can fail and that it can hold.
struct Rule: Sendable, CustomTestStringConvertible {
    /// Files by path: a whole small repository.
    typealias Example = [String: String]

    let name: String
    /// What to do instead; it ends every message.
    let fix: String
    /// Each must have at least one violation.
    let broken: [Example]
    /// None may have one.
    let kept: [Example]
    let check: @Sendable (Repository) -> [Violation]

    var testDescription: String { name }

    static let all: [Rule] =
        lengthRules + bannedRules + importRules + writingRules + layoutRules + metricRules
        + keyRules
        + packageRules + trapRules
}
