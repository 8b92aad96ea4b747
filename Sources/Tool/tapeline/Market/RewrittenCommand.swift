import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime

/// `tapeline bars --rewritten [SYMBOL...]`: how many bars changed after they were published, by
/// series and reason, and how long after it.
struct RewrittenCommand: Equatable, Sendable {
    var target = TapeTarget()
    /// Empty means all symbols.
    var symbols: [Symbol] = []
    /// The windows that begin in this time.
    let from: Timestamp
    let to: Timestamp
    var asJSON = false

    /// The flag by which `bars` becomes this command.
    static let flag = "--rewritten"
    /// The windows that are asked for without `--from`.
    private static let dayNanoseconds: Int64 = 86_400_000_000_000

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> RewrittenCommand {
        let arguments = try CommandArguments(
            "bars", arguments,
            .init(
                values: TapeTarget.options.union(["--from", "--to"]), flags: [flag, "--json"]))
        func time(_ option: String) throws(ToolError) -> Timestamp? {
            guard let text = try arguments.one(option) else { return nil }
            return try TailPlace.time(text, option, now: now)
        }
        let to = try time("--to") ?? now
        let command = RewrittenCommand(
            target: try TapeTarget(arguments), symbols: try ReplayTimes.symbols(arguments.words),
            from: try time("--from") ?? to.advanced(byNanoseconds: -dayNanoseconds), to: to,
            asJSON: arguments.has("--json"))
        guard command.from < command.to else { throw .usage("--from has to come before --to") }
        return command
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment)
        let range: [PostgresValue] = [
            .timestamp(from), .timestamp(to),
            symbols.isEmpty ? .null : .textArray(symbols.map(\.text)),
        ]
        let source = "rewritten($1, $2, $3::text[]) AS r"
        if asJSON {
            for row in try market.rows("SELECT row_to_json(r) FROM \(source)", range) {
                terminal.line(row[0] ?? "null")
            }
            return .success
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
