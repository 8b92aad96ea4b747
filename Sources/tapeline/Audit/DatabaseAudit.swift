import OperatorGraph
import PostgresClient

/// The checks of the script on one database.
struct DatabaseAudit {
    /// For one check: bars of a day of many symbols take a while.
    static let checkTimeout: Duration = .seconds(600)
    private static let settingTimeout: Duration = .seconds(5)

    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    /// What nodes stand before the series; nil: that there are none, or nobody says.
    static func graph(_ environment: [String: String]) throws(ToolError) -> String? {
        guard environment[ProofGraph.graphKey]?.isEmpty == false else { return nil }
        return try ProofGraph.find(environment).definition.auditSetting
    }

    func add(_ script: AuditScript, graph: String?, to report: inout AuditReport) throws {
        if let graph {
            // It has no place for parameters of its own.
            _ = try connection.execute(
                "SET tapeline.graph = '\(graph.replacing("'", with: "''"))'",
                timeout: Self.settingTimeout)
        }
        for check in script.checks {
            let result = try connection.execute(check.sql, timeout: Self.checkTimeout)
            add(check, result, to: &report)
        }
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
