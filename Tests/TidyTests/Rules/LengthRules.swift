private enum Limit {
    static let fileLines = 500
    static let testFileLines = 800
    /// The manifest cannot be split: it is one expression.
    static let manifestLines = 750
    /// All tables of the first release are one migration.
    static let schemaLines = 850
    static let schema = "deploy/postgres/migrations/0001_schema.sql"
    static let functionLines = 60
    static let columns = 100
}

private func swiftFile(lines count: Int) -> String {
    String(repeating: "let a = 1\n", count: count)
}

private func function(lines count: Int) -> String {
    "func f() {\n" + String(repeating: "    g(\"}\")  // }\n", count: count - 2) + "}\n"
}

let lengthRules: [Rule] = [
    Rule(
        name: "file length",
        fix: "move what belongs together into a file of its own (Type+Topic.swift)",
        broken: [
            ["Sources/G/A/A.swift": swiftFile(lines: 501)],
            ["Tests/ATests/A.swift": swiftFile(lines: 801)],
            ["Package.swift": swiftFile(lines: 751)],
            ["deploy/a.sh": swiftFile(lines: 501)],
            [Limit.schema: swiftFile(lines: 851)],
        ],
        kept: [
            ["Sources/G/A/A.swift": swiftFile(lines: 500), "docs/a.md": swiftFile(lines: 900)],
            ["Tests/ATests/A.swift": swiftFile(lines: 800)],
            ["Package.swift": swiftFile(lines: 750)],
            [Limit.schema: swiftFile(lines: 850)],
        ],
        check: { repository in
            let kinds = [".swift", ".sh", ".sql", ".h", ".py", "Makefile", ".ci/run"]
            return repository.files.compactMap { file in
                guard kinds.contains(where: file.path.hasSuffix) else { return nil }
                let limit =
                    switch file.path {
                    case "Package.swift": Limit.manifestLines
                    case Limit.schema: Limit.schemaLines
                    default: file.isTest ? Limit.testFileLines : Limit.fileLines
                    }
                let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
                guard count > limit else { return nil }
                return Violation(file.path, count, "\(count) lines, the limit is \(limit)")
            }
        }),
    Rule(
        name: "function length",
        fix: "keep the control flow here and move steps into functions of their own",
        broken: [
            ["Sources/G/A/A.swift": function(lines: 61)],
            ["Sources/G/A/A.swift": "struct S {\n" + function(lines: 61) + "}\n"],
            ["Tests/A/A.swift": "var v: Int {" + String(repeating: "\n", count: 61) + "}\n"],
            ["Sources/G/A/A.swift": "init?(a: () -> Void = {}) {" + swiftFile(lines: 61) + "}\n"],
        ],
        kept: [
            ["Sources/G/A/A.swift": function(lines: 60) + function(lines: 60)],
            [
                "Sources/G/A/A.swift":
                    "protocol P {\n    func f()\n    var v: Int { get }\n}\nstruct S {\n"
                    + swiftFile(lines: 99) + "}\n"
            ],
            ["Sources/G/A/A.swift": "struct S {\n    var a: Int\n" + swiftFile(lines: 99) + "}\n"],
        ],
        check: { repository in
            repository.swift.flatMap { file in
                FunctionScanner.functions(in: file).compactMap { function in
                    guard function.lines > Limit.functionLines else { return nil }
                    return Violation(
                        file.path, function.line,
                        "\(function.name) has \(function.lines) lines, not \(Limit.functionLines)"
                    )
                }
            }
        }),
    Rule(
        name: "line length",
        fix: "break the line; swift format does it where it can",
        broken: [["Sources/G/A/A.swift": "// " + String(repeating: "x", count: 98) + "\n"]],
        kept: [["Sources/G/A/A.swift": "// " + String(repeating: "é", count: 97) + "\n"]],
        check: { repository in
            repository.swift.flatMap { file in
                file.violations(in: file.lines) { line in
                    line.utf8.count > Limit.columns && line.count > Limit.columns
                        ? "\(line.count) columns, the limit is \(Limit.columns)" : nil
                }
            }
        }),
]
