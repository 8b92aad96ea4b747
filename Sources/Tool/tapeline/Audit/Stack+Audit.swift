import Glibc
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol

/// The audit at the end of a demonstration: the gateway's ticks, the tape and the database agree,
/// and each bar is the one that its trades make.
extension Stack {
    private static let connectTimeout: Duration = .seconds(5)
    /// A last bar may still be on its way to the writer when everything seems idle.
    private static let restTimeout: Duration = .seconds(10)

    /// `source` is that of a run that has ended; tape and rows can be compared only then.
    func auditReport(
        atRest source: SourceName, _ environment: [String: String], _ command: AuditCommand
    ) throws(ToolError) -> AuditReport {
        let access = try StackAccess(self)
        var report = AuditReport()
        do {
            let database = try PostgresConnection(
                DatabaseAudit.configuration(access.postgres), timeout: Self.connectTimeout)
            defer { database.close() }
            try compareHeads(access, of: source, with: database, &report)
            try DatabaseAudit(database, terminal, asJSON: command.asJSON).add(
                try AuditScript.read(checkout), graph: try DatabaseAudit.graph(environment),
                command.scope, to: &report)
        } catch {
            throw ToolError(error) { .audit("the database cannot be audited: \($0)") }
        }
        return report
    }

    /// Reads both until they are equal or the time is over.
    private func compareHeads(
        _ access: StackAccess, of source: SourceName, with database: PostgresConnection,
        _ report: inout AuditReport
    ) throws {
        let clock = SystemClock()
        let deadline = clock.deadline(after: Self.restTimeout)
        while true {
            let heads = try TapeHeads.read(access.nats, names: access.names, source: source)
            let rows = try database.execute(
                "SELECT count(*) FROM stored_ordinals WHERE input = 'ticks' AND source = $1",
                [.text(source.text)], timeout: DatabaseAudit.checkTimeout)
            let bars = try database.execute(
                "SELECT coalesce(sum(last_ordinal), 0) FROM reached_ordinals "
                    + "WHERE input = 'bars'", timeout: DatabaseAudit.checkTimeout)
            let found = (
                ticks: UInt64(rows.scalar ?? "") ?? 0, bars: UInt64(bars.scalar ?? "") ?? 0
            )
            let isSame = found == (heads.tickCount, heads.barCount)
            guard isSame || clock.monotonic() >= deadline else {
                poll(nil, 0, 200)
                continue
            }
            report.add(
                "stored", "records on the tape are rows of their tables",
                expected: heads.tickCount, found: found.ticks)
            return report.add(
                "bars", "versions of bars on the tape were taken by the writer",
                expected: heads.barCount, found: found.bars)
        }
    }
}
