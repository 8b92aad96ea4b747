import DeploymentWatch
import MarketModel
import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime
import StreamCore

/// `tapeline bars SYMBOL SERIES`: the newest stored bars as a table or as a chart, as they stand or
/// as they were known at a time.
struct BarsCommand: Equatable, Sendable {
    var target = TapeTarget()
    let symbol: Symbol
    let series: SeriesName
    /// `nil` means all sources.
    var source: SourceName?
    var last = 30
    /// The time at which the bars were known; `nil` means now.
    var asOf: Timestamp?
    /// Whether bars are shown of which it is not certain what was known.
    var withUncertain = false
    var asChart = false
    var asJSON = false

    static let lastRange = 1...10_000

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> BarsCommand {
        let arguments = try CommandArguments(
            "bars", arguments,
            .init(
                values: TapeTarget.options.union(["--last", "--source", "--as-of"]),
                flags: ["--chart", "--json", "--uncertain"]))
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
        if let text = try arguments.one("--as-of") {
            command.asOf = try TailPlace.time(text, "--as-of", now: now)
        }
        command.withUncertain = arguments.has("--uncertain")
        guard !command.withUncertain || command.asOf != nil else {
            throw .usage("--uncertain is about --as-of TIME: bars as they stand are certain")
        }
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
            asOf == nil ? "false" : "is_uncertain",
        ]
        let candles = try newest(columns.joined(separator: ", "), market).map(Candle.init)
        guard !candles.isEmpty else { throw try nothing(market, deployment) }
        let sources = Set(candles.map(\.source)).sorted()
        if asChart, sources.count > 1 {
            throw .usage(
                "these are bars of several sources (\(sources.joined(separator: ", "))): name one "
                    + "with --source")
        }
        let count = candles.count == 1 ? "1 bar" : "\(candles.count) bars"
        let named = source.map { " from \($0)" } ?? ""
        let known = asOf.map { " as known at \($0)" } ?? ""
        let title = "\(symbol) \(series)\(named), \(count)\(known) of \(deployment.title)"
        let lines =
            asChart
            ? CandleChart(
                candles, columns: terminal.columns, rows: terminal.rows,
                isColored: terminal.isColored
            ).lines
            : Candle.table(candles, withSource: source == nil)
        for line in [title] + lines { terminal.line(line) }
        return .success
    }

    /// Returns the newest bars, oldest first.
    private func newest(
        _ columns: String, _ market: borrowing MarketSession
    ) throws(ToolError) -> [[String?]] {
        let parameters: [PostgresValue] = [
            .text(symbol.text), .text(series.text), .integer(Int64(last)),
            source.map { PostgresValue.text($0.text) } ?? .null,
        ]
        func read(_ table: String, _ more: [PostgresValue]) throws(ToolError) -> [[String?]] {
            try market.rows(
                """
                SELECT \(columns) FROM (
                    SELECT * FROM \(table)
                    WHERE symbol = $1 AND series = $2 AND ($4::text IS NULL OR source = $4)
                    ORDER BY ts DESC, number DESC, source DESC LIMIT $3
                ) AS c ORDER BY c.ts, c.number, c.source
                """, parameters + more)
        }
        guard let asOf else { return try read("candles", []) }
        var rows: [[String?]] = []
        for margin in Self.margins where rows.count < last {
            rows = try read(
                Self.candlesAsOf,
                [
                    .timestamp(asOf), .bool(withUncertain),
                    margin.map { .integer(Int64(last) + $0) } ?? .null,
                ])
        }
        return rows
    }

    /// How many windows more than wanted are looked at: some had no bar yet at that time, very many
    /// if the tape was away. `nil` means all windows.
    private static let margins: [Int64?] = [10, 10_000, nil]

    /// The bars as they were known, of the newest $7 windows before that time. Where no more bars
    /// stand, all windows: of others, bars may have been known and withdrawn later, or be lost.
    private static let candlesAsOf = """
        (SELECT k.* FROM (
            SELECT CASE WHEN count(*) = $7::bigint THEN min(n.ts) ELSE '-infinity' END AS from_ts
            FROM (
                SELECT ts FROM candles
                WHERE symbol = $1 AND series = $2 AND ($4::text IS NULL OR source = $4)
                    AND ts <= $5 AND $7::bigint IS NOT NULL
                ORDER BY ts DESC LIMIT $7::bigint) AS n) AS range,
            bars_as_of($5, ARRAY[$1], $2, range.from_ts, $5 + interval '1 us', $6) AS k) AS known
        """

    /// Returns an error that says what bars there are instead.
    private func nothing(
        _ market: borrowing MarketSession, _ deployment: Deployment
    ) throws(ToolError) -> ToolError {
        if let asOf {
            return .refused("no bar of \(symbol) \(series) was known at \(asOf)")
        }
        let rows = try market.rows(
            """
            SELECT DISTINCT series, source FROM candles
            WHERE symbol = $1 AND ts > now() - interval '7 days' ORDER BY 1, 2
            """, [.text(symbol.text)])
        let own = rows.filter { source == nil || $0[1] == source?.text }
        let named = source.map { " from \($0)" } ?? ""
        let what = "no bar of \(symbol) \(series)\(named) is stored"
        if !own.isEmpty, let width = Self.width(of: series, deployment) {
            let now = SystemClock().now()
            return .refused("\(what) yet: \(Self.next(width: width, after: now))")
        }
        if !own.isEmpty { return .refused("\(what): its series are \(Self.list(own, 0))") }
        if !rows.isEmpty { return .refused("\(what): its sources are \(Self.list(rows, 1))") }
        let near =
            NearestName.of(symbol.text, in: try market.known()).map { "; did you mean \($0)?" }
            ?? ""
        return .refused(
            "\(what): of that symbol none of the last seven days either; 'tapeline psql -c \"TABLE "
                + "symbols\"' lists those that came\(near)")
    }

    /// Returns the width of a series that the operators of a local stack make; `nil` if they do not
    /// make it, or its bars have no fixed width.
    private static func width(of series: SeriesName, _ deployment: Deployment) -> Int64? {
        guard deployment.home != nil else { return nil }
        do throws(ToolError) {
            let made = try deployment.proofGraph([:]).definition.allSeries
            return made.first { $0.name == series && $0.widthNanoseconds > 0 }?.widthNanoseconds
        } catch {
            // The graph's file may be gone; what is stored is said then.
            return nil
        }
    }

    /// Returns when the next bar of a width ends.
    static func next(width: Int64, after now: Timestamp) -> String {
        let end = now.floored(toNanoseconds: width).advanced(byNanoseconds: width)
        let left = Double(end.nanoseconds(since: now)) / 1e9
        return "one ends at \(end), in \(SpanText.of(left.rounded(.up)))"
    }

    /// Returns the different texts of a column.
    private static func list(_ rows: [[String?]], _ column: Int) -> String {
        Set(rows.compactMap { $0[column] }).sorted().joined(separator: ", ")
    }
}
