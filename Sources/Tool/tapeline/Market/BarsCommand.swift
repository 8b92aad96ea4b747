import MarketModel
import PostgresClient
import ServiceRuntime

/// `tapeline bars SYMBOL SERIES`: the newest stored bars as a table or as a chart.
struct BarsCommand: Equatable, Sendable {
    var target = TapeTarget()
    let symbol: Symbol
    let series: SeriesName
    /// `nil` means all sources.
    var source: SourceName?
    var last = 30
    var asChart = false
    var asJSON = false

    static let lastRange = 1...10_000

    static func parse(_ arguments: [String]) throws(ToolError) -> BarsCommand {
        let arguments = try CommandArguments(
            "bars", arguments,
            .init(
                values: TapeTarget.options.union(["--last", "--source"]),
                flags: ["--chart", "--json"]))
        try arguments.requireWords(2, "a symbol and a series, as in 'tapeline bars AAPL 1m'")
        guard let symbol = Symbol(arguments.words[0]) else {
            throw .usage("'\(arguments.words[0].prefix(64))' is no symbol")
        }
        guard let series = SeriesName(arguments.words[1]) else {
            throw .usage("'\(arguments.words[1].prefix(64))' is no name of a series")
        }
        var command = BarsCommand(
            target: try TapeTarget(arguments), symbol: symbol, series: series)
        command.source = try arguments.source()
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
            "version", "reason", "is_whole", "is_mixed", "source",
        ]
        let candles = try newest(columns.joined(separator: ", "), market).map(Candle.init)
        guard !candles.isEmpty else { throw try nothing(market) }
        let sources = Set(candles.map(\.source)).sorted()
        if asChart, sources.count > 1 {
            throw .usage(
                "these are bars of several sources (\(sources.joined(separator: ", "))): name one "
                    + "with --source")
        }
        let count = candles.count == 1 ? "1 bar" : "\(candles.count) bars"
        let named = source.map { " from \($0)" } ?? ""
        let title = "\(symbol) \(series)\(named), \(count) of \(deployment.title)"
        let lines =
            asChart
            ? CandleChart(
                candles, columns: terminal.columns, rows: terminal.rows,
                isColored: terminal.isInteractive
            ).lines
            : Candle.table(candles, withSource: source == nil)
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
                SELECT * FROM candles
                WHERE symbol = $1 AND series = $2 AND ($4::text IS NULL OR source = $4)
                ORDER BY ts DESC, number DESC, source DESC LIMIT $3
            ) AS c ORDER BY c.ts, c.number, c.source
            """,
            [
                .text(symbol.text), .text(series.text), .integer(Int64(last)),
                source.map { PostgresValue.text($0.text) } ?? .null,
            ])
    }

    /// Returns an error that says what bars there are instead.
    private func nothing(_ market: borrowing MarketSession) throws(ToolError) -> ToolError {
        let rows = try market.rows(
            """
            SELECT DISTINCT series, source FROM candles
            WHERE symbol = $1 AND ts > now() - interval '7 days' ORDER BY 1, 2
            """, [.text(symbol.text)])
        let own = rows.filter { source == nil || $0[1] == source?.text }
        let named = source.map { " from \($0)" } ?? ""
        let what = "no bar of \(symbol) \(series)\(named) is stored"
        if !own.isEmpty { return .refused("\(what): its series are \(Self.list(own, 0))") }
        if !rows.isEmpty { return .refused("\(what): its sources are \(Self.list(rows, 1))") }
        return .refused(
            "\(what): of that symbol none of the last seven days either; 'tapeline psql -c \"TABLE "
                + "symbols\"' lists those that came")
    }

    /// Returns the different texts of a column.
    private static func list(_ rows: [[String?]], _ column: Int) -> String {
        Set(rows.compactMap { $0[column] }).sorted().joined(separator: ", ")
    }
}
