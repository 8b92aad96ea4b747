import Foundation
import TestSupport
import Testing

/// The alerts that are shipped: before Prometheus' own checker if it is installed, and against the
/// documented metrics in any case.
@Suite struct AlertRulesTests {
    private static let folder = "\(ServerPrograms.checkout)/deploy/prometheus"
    private static let rules = "ibkr.rules.yml"

    private func text(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }

    private func matches(_ pattern: String, in text: String) throws -> Set<String> {
        let expression = try NSRegularExpression(pattern: pattern, options: .anchorsMatchLines)
        let whole = NSRange(text.startIndex..., in: text)
        return Set(
            expression.matches(in: text, range: whole).compactMap {
                Range($0.range(at: 1), in: text).map { String(text[$0]) }
            })
    }

    @Test(
        "promtool accepts the rules, and each fires when it should",
        .enabled(if: Promtool.path != nil, Promtool.comment))
    func rules() throws {
        let checked = try Promtool.run(["check", "rules", "\(Self.folder)/\(Self.rules)"])
        #expect(checked.status == 0, "\(checked.said)")
        let played = try Promtool.run(["test", "rules", "\(Self.folder)/ibkr.rules.test.yml"])
        #expect(played.status == 0, "\(played.said)")
    }

    @Test("every alert is played, one that fires and one that does not")
    func coverage() throws {
        let alerts = try matches("- alert: (\\w+)", in: text("\(Self.folder)/\(Self.rules)"))
        let tests = try text("\(Self.folder)/ibkr.rules.test.yml")
        #expect(alerts.count >= 7)
        #expect(try matches("^        alertname: (\\w+)", in: tests) == alerts)
        #expect(try matches("alertname: (\\w+), exp_alerts: \\[\\]", in: tests) == alerts)
    }

    @Test("alerts look at metrics that are there")
    func metrics() throws {
        let names = try matches("\\b(mds_\\w+)", in: text("\(Self.folder)/\(Self.rules)"))
        let documented = try matches(
            "`(mds_\\w+)", in: text("\(ServerPrograms.checkout)/docs/metrics.md"))
        #expect(names.count >= 5)
        #expect(names.subtracting(documented).isEmpty)
    }
}
