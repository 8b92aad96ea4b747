import Testing

/// Checks the house rules on the files under version control. Each message names the place, the
/// rule and the remedy.
@Suite struct TidyTests {
    private static let repository = Result { try Repository.tracked() }

    @Test("the house rule holds", arguments: Rule.all)
    func holds(rule: Rule) throws {
        let repository = try Self.repository.get()
        for violation in rule.check(repository) {
            if Exception.all.contains(where: { $0.covers(violation, of: rule, in: repository) }) {
                continue
            }
            // Given as the issue's own location, so that editors and terminals can jump there.
            Issue.record(
                "\(violation) [\(rule.name)] Instead: \(rule.fix)",
                sourceLocation: SourceLocation(
                    fileID: "TidyTests/\(violation.path)",
                    filePath: "\(Repository.root)/\(violation.path)",
                    line: max(violation.line, 1), column: 1))
        }
    }

    @Test("every exception is still needed and has a reason", arguments: Exception.all)
    func needed(exception: Exception) throws {
        let repository = try Self.repository.get()
        let rule = try #require(
            Rule.all.first { $0.name == exception.rule },
            "an exception names a rule that does not exist: \(exception.rule)")
        #expect(
            rule.check(repository).contains { exception.covers($0, of: rule, in: repository) },
            "remove the exception from '\(exception.rule)' for \(exception.path): nothing needs it")
        #expect(exception.reason.count > 20, "say why '\(exception.rule)' does not hold there")
    }

    @Test("the repository is seen: a rule over no files holds always")
    func seen() throws {
        let repository = try Self.repository.get()
        #expect(repository.paths.contains("Package.swift"))
        #expect(repository.swift.count { $0.isProduct } > 10)
        #expect(repository.swift.contains { $0.path == "Tests/TidyTests/TidyTests.swift" })
    }
}
