import MarketModel
import PostgresClient
import ServiceRuntime

/// `tapeline bars SYMBOL SERIES`: the newest stored bars as a table or as a chart.
struct BarsCommand: Equatable, Sendable {
    var target = TapeTarget()
    let symbol: Symbol
    let series: SeriesName
    var last = 30
    var asChart = false
    var asJSON = false

    static let lastRange = 1...10_000

    static func parse(_ arguments: [String]) throws(ToolError) -> BarsCommand {
        let arguments = try CommandArguments(
            "bars", arguments,
            .init(values: TapeTarget.options.union(["--last"]), flags: ["--chart", "--json"]))
        try arguments.requireWords(2, "a symbol and a series, as in 'tapeline bars AAPL 1m'")
        guard let symbol = Symbol(arguments.words[0]) else {
            throw .usage("'\(arguments.words[0].prefix(64))' is no symbol")
        }
        guard let series = SeriesName(arguments.words[1]) else {
            throw .usage("'\(arguments.words[1].prefix(64))' is no name of a series")
        }
        var command = BarsCommand(
            target: try TapeTarget(arguments), symbol: symbol, series: series)
        command.last = try arguments.integer("--last", in: lastRange) ?? command.last
        command.asChart = arguments.has("--chart")
        command.asJSON = arguments.has("--json")
        guard !command.asChart || !command.asJSON else {
            throw .usage("--chart is for people and --json for programs: give one of them")
        }
        return command
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment)
        if asJSON {
            for row in try newest("row_to_json(c)", market) { terminal.line(row[0] ?? "null") }
            return .success
        }
        let columns = [
            MarketSession.shown("c.ts"), "open", "high", "low", "close", "volume", "vwap", "trades",
            "version", "reason", "is_whole", "is_mixed",
        ]
        let candles = try newest(columns.joined(separator: ", "), market).map(Candle.init)
        guard !candles.isEmpty else { throw try nothing(market) }
        let count = candles.count == 1 ? "1 bar" : "\(candles.count) bars"
        let title = "\(symbol) \(series), \(count) of \(deployment.title)"
        let lines =
            asChart
            ? CandleChart(
                candles, columns: terminal.columns, rows: terminal.rows,
                isColored: terminal.isInteractive
            ).lines
            : Candle.table(candles)
        for line in [title] + lines { terminal.line(line) }
        return .success
    }

    /// Returns the newest bars, oldest first.
    private func newest(
        _ columns: String, _ market: borrowing MarketSession
    ) throws(ToolError) -> [[String?]] {
        try market.rows(
            """
            SELECT \(columns) FROM (
                SELECT * FROM candles WHERE symbol = $1 AND series = $2
                ORDER BY ts DESC, number DESC LIMIT $3
            ) AS c ORDER BY c.ts, c.number
            """, [.text(symbol.text), .text(series.text), .integer(Int64(last))])
    }

    /// Returns an error that says what bars there are instead.
    private func nothing(_ market: borrowing MarketSession) throws(ToolError) -> ToolError {
        let present = try market.rows(
            """
            SELECT DISTINCT series FROM candles
            WHERE symbol = $1 AND ts > now() - interval '7 days' ORDER BY 1
            """, [.text(symbol.text)]
        ).compactMap { $0[0] }
        let there =
            present.isEmpty
            ? "of that symbol none of the last seven days either; 'tapeline psql -c \"TABLE "
                + "symbols\"' lists those that came"
            : "its series are \(present.joined(separator: ", "))"
        return .refused("no bar of \(symbol) \(series) is stored: \(there)")
    }
}
