/// A place that is exempt from a house rule, with the reason. One that is no longer needed is an
/// error.
struct Exception: Sendable {
    let rule: String
    let path: String
    /// A part of the line, or of the message if the rule is about the complete file.
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
