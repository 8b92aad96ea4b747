/// Where a rule of the house does not hold, and why. One that is not needed any more is an error.
struct Exception: Sendable {
    let rule: String
    let path: String
    /// A part of the line, or of the message when the rule is about the whole file.
    let containing: String
    let reason: String

    func covers(_ violation: Violation, of rule: Rule, in repository: Repository) -> Bool {
        guard rule.name == self.rule, violation.path == path else { return false }
        let lines = repository.file(path)?.lines ?? []
        let line = lines.indices.contains(violation.line - 1) ? lines[violation.line - 1] : ""
        return line.contains(containing) || violation.what.contains(containing)
    }

    static let all: [Exception] = []
}
