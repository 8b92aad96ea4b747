import Primitives

/// The result of an audit, line by line.
struct AuditReport: Equatable, Sendable {
    struct Line: Equatable, Sendable {
        let name: String
        let sentence: String
        let expected: String
        let found: String
        let isRight: Bool
        let detail: String
    }

    /// A check, or a part of one, that could not be made.
    struct Omission: Equatable, Sendable {
        let name: String
        let reason: String
        /// False if it should have been possible.
        let isExpected: Bool
    }

    private(set) var lines: [Line] = []
    private(set) var omissions: [Omission] = []
    /// The scope of the database checks. `nil` if the database was not checked.
    var scope: AuditScope?
    /// The checks that this scope leaves out.
    var notChecked: [String] = []
    /// The checks that read rows. What they find is the number of what they looked at.
    var rowChecks: Set<String> = []

    /// Whether rows were to be read, and there was none.
    var isOfNothing: Bool {
        guard let scope, scope != .books else { return false }
        return lines.allSatisfy {
            !rowChecks.contains($0.name) || $0.expected == "0" && $0.found == "0"
        }
    }
    var isClean: Bool { !lines.isEmpty && lines.allSatisfy(\.isRight) }
    var failures: Int { lines.count { !$0.isRight } }

    mutating func add(_ line: Line) { lines.append(line) }

    mutating func leaveOut(_ name: String, _ reason: String, isExpected: Bool) {
        omissions.append(Omission(name: name, reason: reason, isExpected: isExpected))
    }

    mutating func add(_ other: AuditReport) {
        lines += other.lines
        omissions += other.omissions
        scope = other.scope ?? scope
        notChecked += other.notChecked
        rowChecks.formUnion(other.rowChecks)
    }

    mutating func add(
        _ name: String, _ sentence: String, expected: UInt64, found: UInt64, detail: String = ""
    ) {
        add(
            Line(
                name: name, sentence: sentence, expected: "\(expected)", found: "\(found)",
                isRight: expected == found, detail: expected == found ? "" : detail))
    }

    /// The report as lines to print.
    var text: [String] {
        let numbers = lines.map { max($0.expected.count, $0.found.count) }.max() ?? 0
        var text: [String] = []
        for line in lines {
            let figures =
                line.isRight
                ? line.found.leftPadded(to: numbers)
                : "\(line.found.leftPadded(to: numbers)), expected \(line.expected)"
            text.append(
                "  \(line.isRight ? "ok  " : "FAIL")  \(figures)  \(line.sentence)"
                    + (line.detail.isEmpty ? "" : ": \(line.detail)"))
        }
        return text
    }

    func json() -> String {
        JSONWriter.made { writer in
            writer.member("clean", isClean)
            writer.member("nothing_to_judge", isOfNothing)
            if let scope {
                writer.member("scope", scope.name)
                if case .range(let from, let to) = scope {
                    writer.member("from", time: from)
                    writer.member("to", time: to)
                }
            }
            writer.member("not_checked", values: notChecked + omissions.map(\.name))
            writer.member("omissions", each: omissions) { omission, writer in
                writer.member("name", omission.name)
                writer.member("reason", omission.reason)
                writer.member("expected", omission.isExpected)
            }
            writer.member("checks", each: lines) { line, writer in
                writer.member("name", line.name)
                writer.member("sentence", line.sentence)
                writer.member("expected", line.expected)
                writer.member("found", line.found)
                writer.member("ok", line.isRight)
                writer.member("detail", line.detail)
            }
        }.text
    }
}

extension AuditReport.Line {
    static let detailsShown = 5

    /// Joins the results of one check that was made piece by piece.
    static func joined(_ lines: [AuditReport.Line]) -> AuditReport.Line {
        guard let first = lines.first, lines.count > 1 else {
            return lines.first
                ?? AuditReport.Line(
                    name: "", sentence: "", expected: "0", found: "0", isRight: true, detail: "")
        }
        func sum(_ number: (AuditReport.Line) -> String) -> String {
            "\(lines.reduce(Int64(0)) { $0 &+ (Int64(number($1)) ?? 0) })"
        }
        // Failures come first. A remark that occurs several times is shown once.
        var details: [String] = []
        for line in lines.filter({ !$0.isRight }) + lines.filter(\.isRight)
        where !line.detail.isEmpty && !details.contains(line.detail) {
            details.append(line.detail)
        }
        return AuditReport.Line(
            name: first.name, sentence: first.sentence, expected: sum(\.expected),
            found: sum(\.found), isRight: lines.allSatisfy(\.isRight),
            detail: details.prefix(detailsShown).joined(separator: "; "))
    }
}

extension String {
    func leftPadded(to width: Int) -> String {
        String(repeating: " ", count: max(0, width - count)) + self
    }
}
