import Testing

/// A place that breaks a house rule.
struct Violation: Sendable, CustomStringConvertible {
    let path: String
    /// Counted from 1. 0 if it is about the complete file, or about one that is missing.
    let line: Int
    let what: String

    init(_ path: String, _ line: Int, _ what: String) {
        self.path = path
        self.line = line
        self.what = what
    }

    var description: String { "\(path):\(max(line, 1)): \(what)" }
}

/// A house rule, with examples that prove that it can fail and that it can pass.
struct Rule: Sendable, CustomTestStringConvertible {
    /// Files by path: a complete small repository.
    typealias Example = [String: String]

    let name: String
    /// The remedy. Every message ends with it.
    let fix: String
    /// Each must have at least one violation.
    let broken: [Example]
    /// None may have a violation.
    let kept: [Example]
    let check: @Sendable (Repository) -> [Violation]

    var testDescription: String { name }

    static let all: [Rule] =
        lengthRules + bannedRules + importRules + accessRules + writingRules + layoutRules
        + metricRules + packageRules + trapRules + ratchetRules + recipeRules
}
