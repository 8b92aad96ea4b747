let trapRules: [Rule] = [trapNameRule]

/// Tests of traps run in separate processes (`.ci/run-tests.py` finds them by their names).
private let trapNameRule = Rule(
    name: "tests of traps are named so",
    fix: "let the function's name begin with 'traps': such tests run apart from those with servers",
    broken: [
        [
            "Tests/ATests/A.swift":
                "func misuse() async {\n    await #expect(\(mark): .failure) {}\n}\n"
        ]
    ],
    kept: [
        [
            "Tests/ATests/A.swift":
                "func trapsMisuse() {\n    await #expect(\(mark): .failure) {}\n}\n"
        ],
        ["Tests/ATests/A.swift": "func other() {}\n"],
    ],
    check: { repository in
        repository.swift.filter { $0.path.hasPrefix("Tests/") && $0.path.hasSuffix(".swift") }
            .filter { !$0.path.hasPrefix("Tests/TidyTests/Rules/") && $0.bytes.contains(mark) }
            .flatMap { file -> [Violation] in
                var isTrap = true
                var violations: [Violation] = []
                for (index, line) in file.codeLines.enumerated() {
                    if let name = line.firstMatch(of: /func ([A-Za-z0-9_]+)\(/)?.1 {
                        isTrap = name.hasPrefix("traps")
                    }
                    if line.contains(mark), !isTrap {
                        violations.append(
                            Violation(file.path, index + 1, "a trap is tested under another name."))
                    }
                }
                return violations
            }
    })

private let mark = "processExitsWith"
