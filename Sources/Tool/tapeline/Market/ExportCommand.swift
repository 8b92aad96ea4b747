import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline export KIND`: rows of the market views, and records of other kinds, as CSV.
struct ExportCommand: ToolCommand {
    enum Kind: String, CaseIterable, Sendable {
        case bars, trades, quotes, indicators
        case providerBars = "provider-bars"
        case news, options, fundamentals

        /// What the rows are read from: a view of the market, or the table of a namespace with the
        /// time at which each record was known.
        func rows(of namespace: String) -> String {
            let schema = "\"\(namespace)\""
            var (input, period) = ("'ticks'", "")
            switch self {
            case .bars: return "candles"
            case .trades, .quotes: return rawValue
            case .indicators:
                (input, period) = ("\(schema).indicator_input(r.source)", ", r.period_end")
            case .providerBars, .news, .options, .fundamentals: break
            }
            return """
                (SELECT r.*, (SELECT greatest(k.taken_at, r.receive_time\(period))
                    FROM \(schema).taken_at(\(input), r.partition, r.source, r.ordinal) k)
                    AS known_at
                FROM \(schema).\(rawValue.replacing("-", with: "_")) AS r) AS r
                """
        }

        /// The sort columns after time and symbol, so that an export has a fixed order of rows.
        var order: String {
            switch self {
            case .bars: "series, number, source"
            case .trades, .quotes: "event_time_ns, source"
            case .indicators, .providerBars, .news, .options, .fundamentals:
                "event_time_ns, source, partition, ordinal"
            }
        }

        /// Whose rows they are: of a value whose ticks it is made of, or else who published it.
        var source: String {
            self == .indicators ? "coalesce(nullif(of_source, ''), source)" : "source"
        }
    }

    var target = TapeTarget()
    let kind: Kind
    var symbols: [Symbol] = []
    var series: [SeriesName] = []
    /// `nil` means all sources.
    var source: SourceName?
    let from: Timestamp
    let to: Timestamp
    /// `nil` means standard output.
    var output: String?

    static let page = CommandPage(
        "export", .data, "bars, ticks, news and the like as CSV", also: [.zone, .source],
        """
        export bars|trades|quotes [SYMBOL...] --from TIME
            rows of that time as CSV, numbers exact, in the order of time: what the views of the
            database say (docs/data.md)
        export indicators|provider-bars|news|options|fundamentals [SYMBOL...] --from TIME
            the same of records as they came, with the time at which each was known; bars of
            providers are those that end in that time
        --to TIME
            not longer than that (now)
        --series S,...
            bars: only these
        -o FILE, --output FILE
            a file that is not there yet; none or -: standard output
        $ tapeline export bars AAPL SPY --series 1m --from today -o bars.csv
        $ tapeline export news --from today -o news.csv
        $ tapeline export trades AAPL --source ibkr --from -10m | head
        $ tapeline export bars SPY --zone America/New_York --from 09:30 --to 10:30
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ExportCommand {
        var command = ExportCommand(
            target: try TapeTarget(given), kind: try given.verbCase(),
            symbols: try given.symbols(), series: try given.seriesList(),
            source: try given.source(), from: try given.neededTime("--from"),
            to: try given.time("--to") ?? given.now)
        try CommandArguments.require(command.from, before: command.to)
        command.output = try given.output()
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try ExportRun(command: self, terminal: tool.terminal)
            .run(tool.deployment(target), shutdown: tool.signals())
    }
}
