import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// `tapeline reconcile`: compares the traded volume of a day with the provider's own bars.
struct ReconcileCommand: ToolCommand {
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

    static let page = CommandPage(
        "reconcile", .proof, "the volume of a day beside the provider's own bars",
        also: [.json, .csv],
        """
        reconcile --day DAY [SYMBOL...]
            the volume of the trades that count beside that of the provider's own bars which open in
            that day of UTC. A difference is explained by kind before it is judged: gaps, odd lots,
            trades out of the session, unreported, delayed, late or cancelled ones, units of lots. 0
            all equal or explained, 1 a difference is not, 2 not all could be judged, or there was
            nothing to compare
        --source NAME
            only this source
        --tolerance PPM
            what is no difference, in millionths of the provider's volume (100)
        $ tapeline reconcile --day yesterday
        $ tapeline reconcile --day 2026-11-20 AAPL SPY --source ibkr --json
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ReconcileCommand {
        var command = ReconcileCommand(target: try TapeTarget(given), day: try given.neededDay())
        command.symbols = try given.symbols()
        command.source = try given.source()
        command.tolerance =
            try given.integer("--tolerance", in: toleranceRange) ?? command.tolerance
        command.asJSON = given.asJSON
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let market = try MarketSession(tool.deployment(target), timeout: Self.timeout)
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
        tool.terminal.show(report.lines, json: report.json(), rows: report.rows.fields, asJSON)
        return report.exitCode
    }
}
