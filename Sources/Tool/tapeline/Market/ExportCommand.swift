import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline export bars|trades|quotes`: rows of the market views as CSV.
struct ExportCommand: ToolCommand {
    enum Kind: String, CaseIterable, Sendable {
        case bars, trades, quotes

        var view: String { self == .bars ? "candles" : rawValue }
        /// The sort columns after time and symbol, so that an export has a fixed order of rows.
        var order: String { self == .bars ? "series, number, source" : "event_time_ns, source" }
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
        "export", .data, "bars, trades or quotes as CSV", also: [.zone, .source],
        """
        export bars|trades|quotes [SYMBOL...] --from TIME
            rows of that time as CSV, numbers exact, in the order of time: what the views of the
            database say (docs/data.md)
        --to TIME
            not longer than that (now)
        --series S,...
            bars: only these
        -o FILE, --output FILE
            a file that is not there yet; none or -: standard output
        $ tapeline export bars AAPL SPY --series 1m --from today -o bars.csv
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
