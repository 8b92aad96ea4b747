import Primitives
import ServiceRuntime

/// All findings of one examination, as text and as JSON.
struct DoctorReport: Sendable {
    let title: String
    let findings: [Finding]

    /// 0: all of it is in order. 1: something is wrong. 2: nothing is wrong, but there are
    /// warnings, or something could not be looked at.
    var exitCode: ExitCode {
        if count(.wrong) > 0 { return .failure }
        return count(.warning) + count(.unseen) > 0 ? .incomplete : .success
    }

    func count(_ level: Finding.Level) -> Int { findings.count { $0.level == level } }

    /// One line that says how it is.
    var verdict: String {
        let words: [(Finding.Level, String)] = [
            (.wrong, "wrong"), (.warning, count(.warning) == 1 ? "warning" : "warnings"),
            (.unseen, "not seen"), (.fine, "in order"), (.skipped, "skipped"),
        ]
        let counts = words.map { (count($0.0), $0.1) }.filter { $0.0 > 0 }
            .map { "\($0.0) \($0.1)" }.joined(separator: ", ")
        if count(.wrong) > 0 { return "NOT IN ORDER: \(counts)" }
        if count(.warning) > 0 { return "IN ORDER, WITH WARNINGS: \(counts)" }
        if count(.unseen) > 0 { return "IN ORDER, AS FAR AS IT WAS SEEN: \(counts)" }
        return "ALL IN ORDER: \(counts)"
    }

    private static let levelWidth = 9

    /// The report for people, part by part, the verdict last.
    var lines: [String] {
        var lines = ["tapeline doctor  \(title)"]
        for part in Finding.Part.allCases {
            let own = findings.filter { $0.part == part }
            guard !own.isEmpty else { continue }
            lines += ["", part.rawValue]
            for finding in own {
                lines.append(
                    "  \(finding.level.rawValue.padded(to: Self.levelWidth)) \(finding.text)")
                let page = finding.runbook.map { "docs/runbooks/\($0).md" }
                let what = [finding.advice, page ?? ""].filter { !$0.isEmpty }
                guard !what.isEmpty else { continue }
                let blanks = String(repeating: " ", count: Self.levelWidth + 3)
                lines.append("\(blanks)→ \(what.joined(separator: "; see "))")
            }
        }
        return lines + ["", verdict]
    }

    func json() -> String {
        JSONWriter.made { writer in
            writer.member("examined", title)
            writer.member("verdict", verdict)
            for level in Finding.Level.allCases {
                writer.member(
                    level.rawValue.replacing(" ", with: "_"), count(level))
            }
            writer.member("findings", each: findings, Self.write)
        }.text
    }

    private static func write(_ finding: Finding, _ writer: inout JSONWriter) {
        writer.member("level", finding.level.rawValue)
        writer.member("part", finding.part.rawValue)
        writer.member("text", finding.text)
        if !finding.advice.isEmpty { writer.member("advice", finding.advice) }
        if let runbook = finding.runbook { writer.member("runbook", "\(runbook).md") }
    }
}
