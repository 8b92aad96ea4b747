import DeploymentWatch
import MarketModel
import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime
import StreamCore

/// `tapeline bars SYMBOL SERIES` and `tapeline bars --rewritten [SYMBOL...]`.
enum BarsCommand: ToolCommand {
    case newest(NewestBars)
    case rewritten(RewrittenBars)

    static let page = CommandPage(
        "bars", .data, "the newest bars of a symbol; or which bars changed",
        also: [.csv, .source.of("bars"), .zone],
        """
        bars SYMBOL SERIES
            the newest stored bars in their last versions, with what is to be known of each:
            partial, of two providers, changed since it was closed
        bars --rewritten [SYMBOL...]
            how many bars changed after they were published, by series and reason, and how long
            after it; of windows from --from (a day ago) to --to (now)
        --last N
            bars: so many (30)
        --as-of TIME
            bars: as they were known then; refused where that is not certain
        --uncertain
            bars: with --as-of: mark such bars instead
        --chart
            bars: draw candles, of one source; where a local stack has no bar of the
            series yet, wait up to 75 s for it
        --from TIME, --to TIME
            --rewritten: windows that begin in this time
        --json
            an object per line, numbers exact
        $ tapeline bars AAPL 1m --last 60 --source ibkr --chart
        $ tapeline bars AAPL 1m --as-of 2026-11-20T10:31:00Z
        $ tapeline bars AAPL 1m --as-of 10:31 --zone America/New_York
        $ tapeline bars --rewritten AAPL --from today
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> BarsCommand {
        given.verb.isEmpty
            ? .newest(try NewestBars(given)) : .rewritten(try RewrittenBars(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        switch self {
        case .newest(let bars): try bars.run(tool.deployment(bars.target), tool.terminal)
        case .rewritten(let bars): try bars.run(tool.deployment(bars.target), tool.terminal)
        }
    }
}

/// The newest stored bars as a table or as a chart, as they stand or as they were known at a time.
struct NewestBars: Equatable, Sendable {
    let target: TapeTarget
    let symbol: Symbol
    let series: SeriesName
    /// `nil` means all sources.
    let source: SourceName?
    let last: Int
    /// The time at which the bars were known; `nil` means now.
    let asOf: Timestamp?
    /// Whether bars are shown of which it is not certain what was known.
    let withUncertain: Bool
    let asChart: Bool
    let asJSON: Bool

    static let lastRange = 1...10_000
    /// How long `--chart` waits for the first bar: of a minute, with the time until it is stored.
    private static let firstTimeout: Duration = .seconds(75)
    private static let firstEvery: Duration = .milliseconds(500)

    init(_ given: CommandArguments) throws(ToolError) {
        target = try TapeTarget(given)
        symbol = try given.symbol(given.words[0])
        series = try given.series(given.words[1])
        source = try given.source()
        last = try given.integer("--last", in: Self.lastRange) ?? 30
        asOf = try given.time("--as-of")
        withUncertain = given.has("--uncertain")
        guard !withUncertain || asOf != nil else {
            throw .usage("--uncertain is about --as-of TIME: bars as they stand are certain")
        }
        asChart = given.has("--chart")
        asJSON = given.asJSON
        guard !asChart || !asJSON else {
            throw .usage("--chart is for people and --json for programs: give one of them")
        }
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let market = try MarketSession(deployment)
        if asJSON {
            return try MarketSession.show(on: terminal) { selected throws(ToolError) in
                try newest(selected, market)
            }
        }
        let columns = [
            MarketSession.shown("r.ts"), "open", "high", "low", "close", "volume", "vwap", "trades",
            "version", "reason", "is_whole", "is_mixed", "source",
            asOf == nil ? "false" : "is_uncertain",
        ]
        let selected = columns.joined(separator: ", ")
        var candles = try newest(selected, market).rows.map(Candle.init)
        if candles.isEmpty, asChart {
            candles = try first(selected, market, deployment, terminal)
        }
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
                isColored: terminal.isColored, isWhole: asOf == nil && candles.count < last
            ).lines
            : Candle.table(candles, withSource: source == nil)
        for line in [title] + lines { terminal.line(line) }
        return .success
    }

    /// Waits for the first bar of a series that a local stack makes. Returns none if no trade or
    /// quote of the symbol came.
    private func first(
        _ columns: String, _ market: borrowing MarketSession, _ deployment: Deployment,
        _ terminal: Terminal
    ) throws(ToolError) -> [Candle] {
        guard asOf == nil, source == nil, let width = Self.width(of: series, deployment),
            try market.known().contains(symbol.text)
        else { return [] }
        let clock = SystemClock()
        let next = Self.next(width: width, after: clock.now())
        terminal.problem("no bar of \(symbol) \(series) is stored yet: \(next): waiting for it")
        let deadline = clock.deadline(after: Self.firstTimeout)
        // A signal ends this process as usual.
        let pause = ShutdownSignal()
        while clock.remaining(until: deadline) > .zero {
            let candles = try newest(columns, market).rows.map(Candle.init)
            if !candles.isEmpty { return candles }
            _ = pause.wait(timeout: Self.firstEvery)
        }
        return []
    }

    /// Returns the newest bars, oldest first.
    private func newest(
        _ columns: String, _ market: borrowing MarketSession
    ) throws(ToolError) -> MarketSession.Page {
        let parameters: [PostgresValue] = [
            .text(symbol.text), .text(series.text), .integer(Int64(last)),
            source.map { PostgresValue.text($0.text) } ?? .null,
        ]
        func read(_ table: String, _ more: [PostgresValue]) throws(ToolError) -> MarketSession.Page
        {
            try market.page(
                """
                SELECT \(columns) FROM (
                    SELECT * FROM \(table)
                    WHERE symbol = $1 AND series = $2 AND ($4::text IS NULL OR source = $4)
                    ORDER BY ts DESC, number DESC, source DESC LIMIT $3
                ) AS r ORDER BY r.ts, r.number, r.source
                """, parameters + more)
        }
        guard let asOf else { return try read("candles", []) }
        var page = MarketSession.Page(columns: [], rows: [])
        for margin in Self.margins where page.rows.count < last {
            page = try read(
                Self.candlesAsOf,
                [
                    .timestamp(asOf), .bool(withUncertain),
                    margin.map { .integer(Int64(last) + $0) } ?? .null,
                ])
        }
        return page
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
        let ticks = try market.rows(
            "SELECT source FROM symbols WHERE symbol = $1", [.text(symbol.text)])
        return .refused(
            sentence(
                stored: rows, ticksOf: ticks.compactMap { $0[0] }, among: try market.known(),
                width: Self.width(of: series, deployment), now: SystemClock().now()))
    }

    /// Says what there is instead of bars that are not stored. `stored` are series and source of
    /// other bars of the symbol, `sources` those of its ticks, and `width` is that of a series that
    /// is made.
    func sentence(
        stored: [[String?]], ticksOf sources: [String], among known: [String], width: Int64?,
        now: Timestamp
    ) -> String {
        let own = stored.filter { source == nil || $0[1] == source?.text }
        let named = source.map { " from \($0)" } ?? ""
        let what = "no bar of \(symbol) \(series)\(named) is stored"
        let comes = sources.contains { source == nil || $0 == source?.text }
        if comes || !own.isEmpty, let width {
            return "\(what) yet: \(Self.next(width: width, after: now))"
        }
        if !own.isEmpty { return "\(what): its series are \(Self.list(own, 0))" }
        if !stored.isEmpty { return "\(what): its sources are \(Self.list(stored, 1))" }
        let near = NearestName.of(symbol.text, in: known).map { "; did you mean \($0)?" } ?? ""
        return "\(what): of that symbol none of the last seven days either; 'tapeline psql -c "
            + "\"TABLE symbols\"' lists those that came\(near)"
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
