import Foundation
import TestSupport

/// `deploy/postgres/audit.sql`, split into its checks as any program may do it.
struct Audit {
    struct Check {
        let name: String
        let sentence: String
        /// The data that the check reads. `range` means that it works only on a range.
        var reads = ""
        let sql: String
    }

    struct Finding: CustomStringConvertible {
        let name: String
        let expected: Decimal
        let found: Decimal
        let isRight: Bool
        let detail: String

        var description: String {
            "\(name): expected \(expected), found \(found)\(isRight ? "" : ", WRONG: \(detail)")"
        }
    }

    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    static let path = "\(ServerPrograms.checkout)/deploy/postgres/audit.sql"

    let checks: [Check]
    /// The script's settings of the planner, without which a check takes a hundred times as long.
    private let settings: String

    init() throws {
        let bars = Self.path.replacing("audit.sql", with: "audit-bars.sql")
        let text = try [Self.path, bars].map { path in
            try String(contentsOfFile: path, encoding: .utf8)
        }.joined(separator: "\n")
        settings = text.split(separator: "\n").filter { $0.hasPrefix("SET enable_") }.joined()
        var checks: [Check] = []
        var lines: [Substring] = []
        var title: [Substring] = []
        var reads = ""
        /// Adds the check whose lines were read, if it has a title and needs no range.
        func endCheck() {
            guard title.count == 2, reads != "range" else { return }
            checks.append(
                Check(
                    name: String(title[0]),
                    sentence: title[1].trimmingCharacters(in: .whitespaces), reads: reads,
                    sql: Self.wholeTime(lines.joined(separator: "\n"))))
        }
        for line in text.split(separator: "\n") where !line.hasPrefix("\\") {
            if let heading = line.firstMatch(of: /^-- check: (.*)$/)?.output.1 {
                endCheck()
                title = heading.split(separator: ":", maxSplits: 1)
                lines = []
            } else if line.hasPrefix("-- reads: ") {
                reads = String(line.dropFirst("-- reads: ".count))
            } else {
                lines.append(line)
            }
        }
        endCheck()
        self.checks = checks
    }

    /// Returns the statement for all times, without a range.
    private static func wholeTime(_ sql: String) -> String {
        [("from", "-infinity"), ("before", "-infinity"), ("to", "infinity"), ("after", "infinity")]
            .reduce(sql) { $0.replacing(":'\($1.0)'", with: "'\($1.1)'") }
    }

    /// Runs each check. `spoil` runs before and is undone afterwards.
    func run(
        on server: PostgresServer, database: String, schema: String, spoil: String = ""
    ) throws -> [Finding] {
        try checks.map { check in
            let answer = try server.psql(
                "SET search_path TO \(schema); \(settings) BEGIN; \(spoil); \(check.sql)\nROLLBACK",
                database: database)
            let columns =
                answer.split(separator: "\n").last?
                .split(separator: "|", maxSplits: 3, omittingEmptySubsequences: false) ?? []
            guard columns.count == 4, let expected = Decimal(string: String(columns[0])),
                let found = Decimal(string: String(columns[1]))
            else {
                throw Unreadable(description: "\(check.name) answered: \(answer)")
            }
            return Finding(
                name: check.name, expected: expected, found: found, isRight: columns[2] == "t",
                detail: String(columns[3]))
        }
    }
}
