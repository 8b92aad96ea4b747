import MarketModel
import PostgresClient
import ServiceRuntime

/// `tapeline gaps`: the ticks missing now, a line per stretch of time.
struct GapsCommand: Equatable, Sendable {
    var target = TapeTarget()
    var symbols: [Symbol] = []
    /// `nil` means all sources.
    var source: SourceName?
    var last = 100
    var asJSON = false

    static let lastRange = 1...10_000

    static func parse(_ arguments: [String]) throws(ToolError) -> GapsCommand {
        let arguments = try CommandArguments(
            "gaps", arguments,
            .init(values: TapeTarget.options.union(["--last", "--source"]), flags: ["--json"]))
        var command = GapsCommand(target: try TapeTarget(arguments))
        command.symbols = try arguments.symbols()
        command.source = try arguments.source()
        command.last = try arguments.integer("--last", in: lastRange) ?? command.last
        command.asJSON = arguments.has("--json")
        return command
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment)
        try market.requireKnown(symbols)
        if asJSON {
            for row in try newest("row_to_json(g)", market) { terminal.line(row[0] ?? "null") }
            return .success
        }
        let columns = [
            "coalesce(symbol, '(all)')", "kind", MarketSession.shown("from_time"),
            "coalesce(\(MarketSession.shown("to_time")), 'lasts')",
            "round(extract(epoch FROM missing), 1)", "state", "reason", "source",
        ]
        let rows = try newest(columns.joined(separator: ", "), market)
        guard !rows.isEmpty else {
            terminal.line("nothing is missing")
            return .success
        }
        let head = ["SYMBOL", "KIND", "FROM", "TO", "SECONDS", "STATE", "REASON", "SOURCE"]
        let shown = rows.map { $0.map { $0 ?? "-" } }
        for line in TextTable.lines([head] + shown, numbers: [4]) { terminal.line(line) }
        if rows.count == last { terminal.line("the newest \(last): --last shows more") }
        return .success
    }

    /// Returns the newest gaps, oldest first.
    private func newest(
        _ columns: String, _ market: borrowing MarketSession
    ) throws(ToolError) -> [[String?]] {
        try market.rows(
            """
            SELECT \(columns) FROM (
                SELECT * FROM open_gaps
                WHERE (cardinality($1::text[]) = 0 OR symbol = ANY ($1::text[]) OR symbol IS NULL)
                    AND ($3::text IS NULL OR source = $3)
                ORDER BY from_time DESC, symbol, kind LIMIT $2
            ) AS g ORDER BY from_time, symbol, kind
            """,
            [
                .textArray(symbols.map(\.text)), .integer(Int64(last)),
                source.map { PostgresValue.text($0.text) } ?? .null,
            ])
    }
}
