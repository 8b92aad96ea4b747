import MarketModel
import NatsTransport
import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol

/// `tapeline audit`: proves that what the gateway made, the tape holds and the database stores is
/// the same, and that each bar is the one that its trades make.
extension Stack {
    private static let connectTimeout: Duration = .seconds(5)
    /// For one check: bars of a day of many symbols take a while.
    private static let checkTimeout: Duration = .seconds(600)

    func audit(asJSON: Bool) throws(ToolError) -> ExitCode {
        let state = try StackState.read(home)
        guard let state, !state.alive.isEmpty else {
            throw .usage("the stack \(home.name) is not up: start it with 'tapeline up'")
        }
        let report = try auditReport(atRest: nil, ConfigurationFiles.environment())
        if asJSON {
            terminal.line(report.json())
        } else {
            for line in report.text { terminal.line(line) }
            terminal.line(Self.verdict(report))
        }
        return report.isClean ? .success : .failure
    }

    static func verdict(_ report: AuditReport) -> String {
        report.isClean
            ? "the audit is clean: \(report.lines.count) checks"
            : "THE AUDIT FAILED: \(report.failures) of \(report.lines.count) checks"
    }

    /// `atRest`: the source of a run that has ended; only then tape and rows can be compared.
    func auditReport(
        atRest source: SourceName?, _ environment: [String: String]
    ) throws(ToolError) -> AuditReport {
        let access = try StackAccess(self)
        var report = AuditReport()
        do {
            let database = try PostgresConnection(access.postgres, timeout: Self.connectTimeout)
            defer { database.close() }
            if let source {
                let heads = try TapeHeads.read(access.nats, names: access.names, source: source)
                try compareHeads(heads, of: source, with: database, &report)
            }
            if let graph = try Self.graph(environment) {
                // It has no place for parameters of its own.
                _ = try database.execute(
                    "SET tapeline.graph = '\(graph.replacing("'", with: "''"))'",
                    timeout: Self.connectTimeout)
            }
            for check in try AuditScript.read(checkout).checks {
                let result = try database.execute(check.sql, timeout: Self.checkTimeout)
                add(check, result, to: &report)
            }
        } catch let error as ToolError {
            throw error
        } catch {
            throw .audit("the database cannot be audited: \(error)")
        }
        return report
    }

    /// What nodes stand before the series; nil: that there are none, or nobody says.
    private static func graph(_ environment: [String: String]) throws(ToolError) -> String? {
        guard environment[ProofGraph.graphKey]?.isEmpty == false else { return nil }
        return try ProofGraph.find(environment).definition.auditSetting
    }

    private func compareHeads(
        _ heads: TapeHeads, of source: SourceName, with database: PostgresConnection,
        _ report: inout AuditReport
    ) throws {
        let rows = try database.execute(
            "SELECT count(*) FROM stored_ordinals WHERE input = 'ticks' AND source = $1",
            [.text(source.text)], timeout: Self.checkTimeout)
        report.add(
            "stored", "records on the tape are rows of their tables",
            expected: heads.tickCount, found: UInt64(rows.scalar ?? "") ?? 0)
        let bars = try database.execute(
            "SELECT coalesce(sum(last_ordinal), 0) FROM sink_source_ordinals WHERE input = 'bars'",
            timeout: Self.checkTimeout)
        report.add(
            "bars", "versions of bars on the tape were taken by the writer",
            expected: heads.barCount, found: UInt64(bars.scalar ?? "") ?? 0)
    }

    /// A check that answers no row has found nothing to complain about.
    private func add(
        _ check: AuditScript.Check, _ result: PostgresResult, to report: inout AuditReport
    ) {
        func column(_ name: String) -> Int? { result.columns.firstIndex(of: name) }
        func value(_ row: Int, _ name: String) -> String {
            column(name).flatMap { result[row, $0] } ?? ""
        }
        if result.rowCount == 0 {
            report.add(
                AuditReport.Line(
                    name: check.name, sentence: check.sentence, expected: "0", found: "0",
                    isRight: true, detail: ""))
        }
        for row in 0..<result.rowCount {
            report.add(
                AuditReport.Line(
                    name: check.name, sentence: check.sentence, expected: value(row, "expected"),
                    found: value(row, "found"), isRight: value(row, "ok") == "t",
                    detail: value(row, "detail")))
        }
    }
}
