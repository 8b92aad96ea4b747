let catalogueRules: [Rule] = [metricRule, keyRule, keyReadmeRule]

private let metricsPage = "docs/metrics.md"
private let metricsTable = """
    | metric | type | labels | meaning | what to do |
    | --- | --- | --- | --- | --- |
    | `mds_a_total` | counter | | what | nothing |

    """

private let metricRule = Rule(
    name: "every metric is in docs/metrics.md",
    fix:
        "a row of its table with the name first, or remove the row of a metric that is gone",
    broken: [
        ["Sources/A/A.swift": "counter(\"mds_a_total\")\n"],
        ["services/a/Sources/A.swift": "counter(\"sink_b_total\")\n", metricsPage: metricsTable],
        ["Sources/A/A.swift": "// \"mds_a_total\"\n", metricsPage: metricsTable],
        [
            "Sources/A/A.swift": "counter(\"mds_a_total\")\n",
            metricsPage: metricsTable + "| `mds_a_total` | counter | | again | |\n",
        ],
    ],
    kept: [
        [
            "Sources/A/A.swift": "counter(\"mds_a_total\")\nlet a = \"mds_\", b = \"my_mds_x\"\n",
            "Tests/ATests/A.swift": "\"mds_other_total\"\n",
            metricsPage: "`mds_x_total` in prose is none.\n\n" + metricsTable,
        ]
    ],
    check: { repository in
        let documented = repository.file(metricsPage)?.lines.enumerated().compactMap {
            index, line in
            line.firstMatch(of: /^\|\s*`([a-z0-9_]+)`\s*\|/).map {
                (String($0.output.1), index + 1)
            }
        }
        var rows = Dictionary(documented ?? [], uniquingKeysWith: { first, _ in first })
        var violations = Dictionary(grouping: documented ?? [], by: \.0).values
            .filter { $0.count > 1 }.map {
                Violation(metricsPage, $0[1].1, "\($0[1].0) stands there twice.")
            }
        var used: Set<String> = []
        for file in repository.swift where file.isProduct {
            for literal in file.swift?.literals ?? []
            where literal.text.wholeMatch(of: /(?:mds|sink)_[a-z0-9_]*[a-z0-9]/) != nil {
                if rows[literal.text] == nil, used.insert(literal.text).inserted {
                    violations.append(
                        Violation(file.path, literal.line, "\(literal.text) is not documented."))
                }
                used.insert(literal.text)
            }
        }
        for name in used { rows[name] = nil }
        return violations
            + rows.sorted { $0.value < $1.value }.map {
                Violation(metricsPage, $0.value, "no code has \($0.key).")
            }
    })

/// Keys in the Swift code: any literal that looks like one.
private func keys(in file: SourceFile) -> [SwiftText.Literal] {
    let key =
        /(?:MDS|NATS|POSTGRES|VALKEY|GATEWAY|OPERATOR|WRITER|SYNTHETIC|OPS|LOG)_[A-Z0-9_]*[A-Z0-9]/
    return (file.swift?.literals ?? []).filter { $0.text.wholeMatch(of: key) != nil }
}

/// Keys of a `default.env`, commented-out ones included (`#KEY=`: a key without a default), and
/// whether a comment stands above.
private func entries(of file: SourceFile) -> [(key: String, line: Int, explained: Bool)] {
    var explained = false
    return file.lines.enumerated().compactMap { index, line in
        if let match = line.firstMatch(of: /^#?\s?([A-Z][A-Z0-9_]+)=/) {
            defer { explained = false }
            return (key: String(match.output.1), line: index + 1, explained: explained)
        }
        explained = line.firstMatch(of: /^#.*[a-z]/) != nil
        return nil
    }
}

private let keyRule = Rule(
    name: "every key is in a default.env",
    fix:
        "KEY=default in services/<product>/default.env, under a comment with meaning and unit",
    broken: [
        ["services/a/Sources/A.swift": "key(\"GATEWAY_X\")\n", "services/a/default.env": ""],
        [
            "services/a/Sources/A.swift": "key(\"GATEWAY_X\")\n",
            "services/a/default.env": "GATEWAY_X=1\n",
        ],
        ["services/a/default.env": "# What it is.\nGATEWAY_X=1\n"],
        ["Sources/A/A.swift": "key(\"NATS_URL\")\n", "services/a/default.env": "# None.\n"],
        [
            "services/a/Sources/A.swift": "key(\"GATEWAY_X\")\n",
            "services/a/default.env": "# What.\nGATEWAY_X=1\n# What.\nGATEWAY_X=1\n",
        ],
    ],
    kept: [
        [
            "Sources/A/A.swift": "key(\"NATS_PASSWORD\")\n// \"NATS_OLD\"\n",
            "services/a/Sources/A.swift": "key(\"GATEWAY_X\")\n",
            "services/a/default.env":
                "# How long, in seconds.\nGATEWAY_X=1\n\n# A secret.\n#NATS_PASSWORD=\n"
                + "# From a file.\n#NATS_PASSWORD_FILE=\n",
            "Tests/ATests/A.swift": "\"GATEWAY_NONE\"\n",
        ]
    ],
    check: { repository in
        let files = repository.services.compactMap { repository.file("services/\($0)/default.env") }
        let everywhere = Set(files.flatMap { entries(of: $0).map(\.key) })
        var violations: [Violation] = []
        var known: Set<String> = []
        for file in repository.swift where file.isProduct {
            let isService = file.path.hasPrefix("services/")
            let own = repository.file("services/\(file.module ?? "")/default.env")
            let listed = isService ? Set(own.map { entries(of: $0).map(\.key) } ?? []) : everywhere
            for key in keys(in: file) {
                known.insert(key.text)
                if listed.contains(key.text) || files.isEmpty { continue }
                let place = isService ? own?.path ?? "its default.env" : "any default.env"
                violations.append(Violation(file.path, key.line, "\(key.text) is not in \(place)."))
            }
        }
        for file in files {
            var seen: Set<String> = []
            for entry in entries(of: file) {
                let base = entry.key.hasSuffix("_FILE") ? String(entry.key.dropLast(5)) : entry.key
                if !known.contains(entry.key), !known.contains(base) {
                    violations.append(
                        Violation(file.path, entry.line, "no code reads \(entry.key)."))
                }
                if !entry.explained {
                    violations.append(
                        Violation(file.path, entry.line, "\(entry.key) has no comment above."))
                }
                if !seen.insert(entry.key).inserted {
                    violations.append(
                        Violation(file.path, entry.line, "\(entry.key) stands there twice."))
                }
            }
        }
        return violations
    })

private let keyReadmeRule = Rule(
    name: "every key is in its service's README",
    fix: "a row for `KEY` in the configuration table of services/<product>/README.md",
    broken: [
        [
            "services/a/default.env": "# What.\nGATEWAY_X=1\n",
            "services/a/README.md": "GATEWAY_X\n",
        ],
        [
            "services/a/default.env": "# What.\nGATEWAY_X=1\n",
            "services/a/README.md": "`GATEWAY_XY`\n",
        ],
    ],
    kept: [
        [
            "services/a/default.env": "# What.\nGATEWAY_X=1\n",
            "services/a/README.md": "| `GATEWAY_X` | 1 |\n",
        ],
        [
            "services/a/default.env": "# What.\n#A_FILE=\n# What.\n#A=\n",
            "services/a/README.md": "| `A` (`A_FILE`) | |\n",
        ],
    ],
    check: { repository in
        repository.services.flatMap { service -> [Violation] in
            guard let list = repository.file("services/\(service)/default.env"),
                let readme = repository.file("services/\(service)/README.md")
            else { return [] }
            return entries(of: list).compactMap { entry in
                if readme.text.contains("`\(entry.key)`") { return nil }
                return Violation(list.path, entry.line, "\(entry.key) is not in \(readme.path).")
            }
        }
    })
