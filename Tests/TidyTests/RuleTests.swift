import Testing

/// The rules on small examples: a rule that cannot fail protects nothing.
@Suite struct RuleTests {
    @Test("the rule fails on each of its broken examples", arguments: Rule.all)
    func fails(rule: Rule) {
        #expect(!rule.broken.isEmpty, "a rule without a broken example may be unable to fail")
        for example in rule.broken {
            let violations = rule.check(Repository(files: example))
            #expect(!violations.isEmpty, "\(rule.name) sees nothing wrong in \(example)")
            for violation in violations { #expect(!violation.what.isEmpty) }
        }
    }

    @Test("the rule holds on each of its kept examples", arguments: Rule.all)
    func holds(rule: Rule) {
        #expect(!rule.kept.isEmpty, "a rule without a kept example may be unable to hold")
        for example in rule.kept {
            let violations = rule.check(Repository(files: example))
            #expect(violations.isEmpty, "\(rule.name): \(violations)")
        }
    }

    @Test("rules have different names, and each says what to do instead")
    func names() {
        #expect(Set(Rule.all.map(\.name)).count == Rule.all.count)
        #expect(Rule.all.allSatisfy { $0.fix.count > 10 })
    }

    @Test("a violation names its line")
    func place() throws {
        let rule = try #require(Rule.all.first { $0.name == "banned: fatalError" })
        let text = "func f() {\n    // fatalError(\n    fatalError(\"no\")\n}\n"
        let violations = rule.check(Repository(files: ["Sources/G/A/A.swift": text]))
        #expect(violations.map(\.line) == [3])
        #expect(violations.first?.description.hasPrefix("Sources/G/A/A.swift:3: ") == true)
    }

    @Test("an exception covers its place only")
    func exceptions() throws {
        let rule = try #require(Rule.all.first { $0.name == "banned: fatalError" })
        let repository = Repository(files: [
            "Sources/G/A/A.swift": "fatalError(1)\nfatalError(2)\n",
            "Sources/G/A/B.swift": "fatalError(1)\n",
        ])
        let exception = Exception(
            rule: rule.name, path: "Sources/G/A/A.swift", containing: "(1)", reason: "an example")
        let covered = rule.check(repository).map { exception.covers($0, of: rule, in: repository) }
        #expect(covered == [true, false, false])
    }
}
