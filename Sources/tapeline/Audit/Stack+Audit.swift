import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol

/// `tapeline audit`: proves that what the gateway made, the tape holds and the database stores is
/// the same, and that each bar is the one that its trades make.
extension Stack {
    private static let connectTimeout: Duration = .seconds(5)

    func audit(asJSON: Bool) throws(ToolError) -> ExitCode {
        let state = try StackState.read(home)
        guard let state, !state.alive.isEmpty else {
            throw .usage("the stack \(home.name) is not up: start it with 'tapeline up'")
        }
        let report = try auditReport(atRest: nil, ConfigurationFiles.environment())
        return report.tell(terminal, asJSON: asJSON)
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
            try DatabaseAudit(database).add(
                try AuditScript.read(checkout), graph: try DatabaseAudit.graph(environment),
                to: &report)
        } catch let error as ToolError {
            throw error
        } catch {
            throw .audit("the database cannot be audited: \(error)")
        }
        return report
    }

    private func compareHeads(
        _ heads: TapeHeads, of source: SourceName, with database: PostgresConnection,
        _ report: inout AuditReport
    ) throws {
        let rows = try database.execute(
            "SELECT count(*) FROM stored_ordinals WHERE input = 'ticks' AND source = $1",
            [.text(source.text)], timeout: DatabaseAudit.checkTimeout)
        report.add(
            "stored", "records on the tape are rows of their tables",
            expected: heads.tickCount, found: UInt64(rows.scalar ?? "") ?? 0)
        let bars = try database.execute(
            "SELECT coalesce(sum(last_ordinal), 0) FROM sink_source_ordinals WHERE input = 'bars'",
            timeout: DatabaseAudit.checkTimeout)
        report.add(
            "bars", "versions of bars on the tape were taken by the writer",
            expected: heads.barCount, found: UInt64(bars.scalar ?? "") ?? 0)
    }
}
