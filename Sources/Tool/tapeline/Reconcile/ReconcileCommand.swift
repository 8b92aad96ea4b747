import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// `tapeline reconcile`: compares the traded volume of a day with the provider's own bars.
struct ReconcileCommand: Equatable, Sendable {
    var target = TapeTarget()
    /// The beginning of the UTC day in which the provider's bars open.
    let day: Timestamp
    /// Empty means all symbols of which the provider sent bars.
    var symbols: [Symbol] = []
    /// `nil` means all sources.
    var source: SourceName?
    /// A difference up to this many millionths of the provider's volume is no difference.
    var tolerance = 100
    var asJSON = false

    private static let toleranceRange = 0...1_000_000
    /// A day of many symbols is joined with its gaps and its late ticks.
    private static let timeout = Duration.seconds(600)
    /// Rows that are read at most: a symbol of a source each.
    private static let rowsMax = 100_000

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> ReconcileCommand {
        let given = try CommandArguments(
            "reconcile", arguments,
            .init(
                values: TapeTarget.options.union(["--day", "--source", "--tolerance"]),
                flags: ["--json"]))
        guard let day = try given.day(now: now) else {
            throw .usage("'tapeline reconcile' wants --day: a day of UTC (2026-11-20, yesterday)")
        }
        var command = ReconcileCommand(target: try TapeTarget(given), day: day)
        command.symbols = try given.symbols()
        command.source = try given.source()
        command.tolerance =
            try given.integer("--tolerance", in: toleranceRange) ?? command.tolerance
        command.asJSON = given.has("--json")
        return command
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment, timeout: Self.timeout)
        let rows = try market.rows(
            ReconcileQuery.sql(namespace: market.namespace, rowsMax: Self.rowsMax + 1),
            [
                .timestamp(day), .timestamp(day.advanced(byNanoseconds: AuditScope.day)),
                .textArray(symbols.map(\.text)),
                source.map { PostgresValue.text($0.text) } ?? .null,
            ])
        guard rows.count <= Self.rowsMax else {
            throw .refused("more than \(Self.rowsMax) symbols: name those to reconcile")
        }
        var reconciled: [ReconciledDay] = []
        for row in rows {
            guard let found = ReconciledDay(row, tolerance: tolerance) else {
                throw .unreadable(
                    "the volume of \(row.first?.flatMap { $0 } ?? "a symbol") cannot be read: "
                        + "it is beyond 128 bits in 1e-8")
            }
            reconciled.append(found)
        }
        let report = ReconcileReport(
            days: reconciled,
            without: symbols.filter { symbol in
                !reconciled.contains { $0.symbol == symbol.text }
            })
        if asJSON {
            terminal.line(report.json())
        } else {
            for line in report.lines { terminal.line(line) }
        }
        return report.exitCode
    }
}
