let metricRules: [Rule] = [metricRule]

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
        ["Sources/G/A/A.swift": "counter(\"mds_a_total\")\n"],
        ["services/a/Sources/A.swift": "counter(\"sink_b_total\")\n", metricsPage: metricsTable],
        ["Sources/G/A/A.swift": "// \"mds_a_total\"\n", metricsPage: metricsTable],
        [
            "Sources/G/A/A.swift": "counter(\"mds_a_total\")\n",
            metricsPage: metricsTable + "| `mds_a_total` | counter | | again | |\n",
        ],
    ],
    kept: [
        [
            "Sources/G/A/A.swift": "counter(\"mds_a_total\")\nlet a = \"mds_\", b = \"my_mds_x\"\n",
            "Tests/ATests/A.swift": "\"mds_other_total\"\n",
            metricsPage: "`mds_x_total` in prose is none.\n\n" + metricsTable,
        ]
    ],
    check: { repository in
        let documented = repository.file(metricsPage)?.lines.enumerated().compactMap {
            index, line in
            line.firstMatch(of: /^\|\s*`((?:mds|sink)_[a-z0-9_]+)`\s*\|/).map {
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
