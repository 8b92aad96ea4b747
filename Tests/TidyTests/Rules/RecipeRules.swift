let recipeRules: [Rule] = [recipePathRule, recipeTestRule, recipeLengthRule, claimRule]

private let page = "docs/HACKING.md"

/// The folders that a path in a recipe begins with.
private let tops = [
    ".ci/", "Benchmarks/", "Equipment/", "Samples/", "Sources/", "Tests/", "deploy/", "docs/",
    "services/",
]

/// What stands between backticks, with the line. Blocks of code count as a whole.
private func codeSpans(in file: SourceFile) -> [(text: String, line: Int)] {
    file.lines.enumerated().flatMap { index, line in
        if line.hasPrefix("    ") { return [(text: line.trimmed, line: index + 1)] }
        return line.matches(of: /`([^`]+)`/).map { (text: String($0.output.1), line: index + 1) }
    }
}

private let recipePathRule = Rule(
    name: "the files that a recipe names are there",
    fix: "write the path of today; a part that the reader chooses stands as <Name>",
    broken: [
        [page: "1. `Sources/A/B.swift`\n"],
        [page: "A part: `services/a/Sources/` and\n", "services/a/README.md": ""],
    ],
    kept: [
        [
            page: "`Sources/A/`, `Sources/A/B.swift`, `Sources/<Name>/C.swift`, `A/D.swift`\n",
            "Sources/A/B.swift": "",
        ],
        ["docs/other.md": "`Sources/A/B.swift`\n"],
    ],
    check: { repository in
        guard let file = repository.file(page) else { return [] }
        return codeSpans(in: file).compactMap { span in
            guard tops.contains(where: span.text.hasPrefix), !span.text.contains(/[<*… ]/) else {
                return nil
            }
            let path = span.text.hasSuffix("/") ? String(span.text.dropLast()) : span.text
            guard !repository.exists(path) else { return nil }
            return Violation(page, span.line, "\(span.text) does not exist.")
        }
    })

private let recipeTestRule = Rule(
    name: "the tests that a recipe names are there",
    fix: "write the names of today, as `--filter 'Suite/function'` or `--filter Suite`",
    broken: [
        [page: "    swift test --filter ATests\n"],
        [
            page: "    swift test --filter 'ATests/one|BTests'\n",
            "Tests/ATests/A.swift": "struct ATests { @Test func two() {} }\n",
            "Tests/BTests/B.swift": "struct BTests {}\n",
        ],
    ],
    kept: [
        [
            page: "    swift test --filter 'ATests/one|BTests'\n",
            "Tests/ATests/A.swift": "struct ATests {\n    @Test func one() {}\n}\n",
            "Tests/BTests/C.swift": "@Suite struct CTests {}\n",
        ]
    ],
    check: { repository in
        guard let file = repository.file(page) else { return [] }
        let tests = repository.swift.filter(\.isTest)
        return codeSpans(in: file).flatMap { span -> [Violation] in
            guard let match = span.text.firstMatch(of: /--filter '?([\w\/|]+)'?/) else { return [] }
            return match.output.1.split(separator: "|").filter { !isTest($0, of: tests) }
                .map { Violation(page, span.line, "there is no test \($0).") }
        }
    })

/// Returns whether a suite or target, or `Suite/function`, is one of these tests.
private func isTest(_ name: Substring, of tests: [SourceFile]) -> Bool {
    let parts = name.split(separator: "/")
    return tests.contains { test in
        guard let code = test.swift?.code else { return false }
        let isSuite =
            test.path.hasPrefix("Tests/\(parts[0])/") || code.contains(" \(parts[0]) {")
        return isSuite && (parts.count == 1 || code.contains("func \(parts[1])("))
    }
}

private let claims = "docs/security.md"
private let claimHead = "## Claims and their tests\n\n| claim | test |\n| --- | --- |\n"

/// What a page says of security is what a test shows.
private let claimRule = Rule(
    name: "each claim about security has its test",
    fix: "write '| claim | `Suite/function` |' in the table under 'Claims and their tests'",
    broken: [
        [claims: "# Security\n"],
        [claims: "\(claimHead)\n## Next\n| a | b |\n"],
        [claims: "\(claimHead)| safe | surely |\n"],
        [
            claims: "\(claimHead)| safe | `ATests/one`, `ATests/two` |\n",
            "Tests/ATests/A.swift": "@Suite struct ATests { @Test func one() {} }\n",
        ],
    ],
    kept: [
        [
            claims: "\(claimHead)| safe | `ATests/one` |\n\n## Next\n| a | b |\n",
            "Tests/ATests/A.swift": "@Suite struct ATests { @Test func one() {} }\n",
        ],
        [page: ""],
    ],
    check: { repository in
        guard let file = repository.file(claims) else { return [] }
        let tests = repository.swift.filter(\.isTest)
        let lines = file.lines.enumerated().map { (number: $0.offset + 1, text: $0.element) }
        let section = lines.drop { $0.text != "## Claims and their tests" }.dropFirst()
            .prefix { !$0.text.hasPrefix("## ") }
        // The first two rows are the table's head.
        let rows = section.filter { $0.text.hasPrefix("|") }.dropFirst(2)
        guard !rows.isEmpty else { return [Violation(claims, 1, "no claim names a test.")] }
        return rows.flatMap { row -> [Violation] in
            let names = row.text.matches(of: /`(\w+\/\w+)`/).map(\.output.1)
            guard !names.isEmpty else {
                return [Violation(claims, row.number, "the claim names no test.")]
            }
            return names.filter { !isTest($0, of: tests) }
                .map { Violation(claims, row.number, "there is no test \($0).") }
        }
    })

/// What a reader is to take for little work stays little.
private let recipeLengthRule = Rule(
    name: "the sample's provider and store are short",
    fix: "leave out what a first one can do without: 60 lines beside comments",
    broken: [
        [shortFiles[0]: String(repeating: "let a = 1\n", count: 61)],
        [shortFiles[1]: String(repeating: "let a = 1\n", count: 61)],
    ],
    kept: [[shortFiles[0]: String(repeating: "let a = 1\n// Why.\n\n", count: 60)], [page: ""]],
    check: { repository in
        shortFiles.compactMap { path in
            let lines = repository.file(path)?.codeLines.count { !$0.trimmed.isEmpty } ?? 0
            return lines > 60 ? Violation(path, lines, "\(lines) lines of code.") : nil
        }
    })

private let shortFiles = [
    "Samples/tapeline-sample/Sources/sample-gateway/JSONFileProvider.swift",
    "Samples/tapeline-sample/Sources/SQLiteStore/SQLiteStore.swift",
]
