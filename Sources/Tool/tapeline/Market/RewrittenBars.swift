import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// `tapeline bars --rewritten [SYMBOL...]`: how many bars changed after they were published, by
/// series and reason, and how long after it.
struct RewrittenBars: Equatable, Sendable {
    let target: TapeTarget
    /// Empty means all symbols.
    let symbols: [Symbol]
    /// The windows that begin in this time.
    let from: Timestamp
    let to: Timestamp
    let asJSON: Bool

    /// The windows that are asked for without `--from`.
    private static let dayNanoseconds: Int64 = 86_400_000_000_000

    init(_ given: CommandArguments) throws(ToolError) {
        target = try TapeTarget(given)
        symbols = try given.symbols()
        to = try given.time("--to") ?? given.now
        from = try given.time("--from") ?? to.advanced(byNanoseconds: -Self.dayNanoseconds)
        asJSON = given.asJSON
        try CommandArguments.require(from, before: to)
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment)
        let range: [PostgresValue] = [
            .timestamp(from), .timestamp(to),
            symbols.isEmpty ? .null : .textArray(symbols.map(\.text)),
        ]
        let source = "rewritten($1, $2, $3::text[]) AS r"
        if asJSON {
            return try MarketSession.show(on: terminal) { selected throws(ToolError) in
                try market.page("SELECT \(selected) FROM \(source)", range)
            }
        }
        let rows = try market.rows(
            """
            SELECT series, reason, bars || ' of ' || of_bars, versions, in_10_s, in_1_min, in_1_h,
                in_1_day, later, unknown FROM \(source)
            """, range)
        guard !rows.isEmpty else {
            terminal.line("no bar of that time changed after it was published")
            return .success
        }
        let head = [
            "SERIES", "REASON", "BARS", "VERSIONS", "IN 10 S", "1 MIN", "1 H", "1 DAY", "LATER",
            "UNKNOWN",
        ]
        let shown = rows.map { $0.map { $0 ?? "-" } }
        for line in TextTable.lines([head] + shown, numbers: Set(2...9)) { terminal.line(line) }
        return .success
    }
}
