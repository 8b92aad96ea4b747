let recipeRules: [Rule] = [recipePathRule, recipeTestRule, recipeLengthRule]

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
            return match.output.1.split(separator: "|").filter { filter in
                let parts = filter.split(separator: "/")
                return !tests.contains { test in
                    guard let code = test.swift?.code else { return false }
                    let isSuite =
                        test.path.hasPrefix("Tests/\(parts[0])/")
                        || code.contains(" \(parts[0]) {")
                    return isSuite && (parts.count == 1 || code.contains("func \(parts[1])("))
                }
            }.map { Violation(page, span.line, "there is no test \($0).") }
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
