import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline explain`: one bar, with every tick of its window and the reason why it counts or not.
struct ExplainCommand: ToolCommand {
    var target = TapeTarget()
    let symbol: Symbol
    let series: SeriesName
    /// A time that the bar holds.
    let time: Timestamp
    /// `nil` means the only source that the symbol has there.
    var source: SourceName?
    /// When the command was given.
    let asked: Timestamp
    var asJSON = false
    /// True to use only the stored ticks.
    var skipsTape = false
    /// True to show all ticks in the text.
    var showsAll = false

    static let page = CommandPage(
        "explain", .proof, "one bar, with the ticks of its window", also: [.zone, .json],
        """
        explain SYMBOL SERIES TIME
            the bar that holds this time: the ticks of its window with what each did to the bar and
            why, which one set open, high, low and close, its versions, the gaps over it, and what a
            proof says: 0 it is what its ticks make, 1 it is not, 2 the tape does not reach back so
            far, and the stored ticks make it
        --source NAME
            the bar of this source or group
        --table-only
            from the stored ticks alone
        --all
            all ticks, and not only the 40 that say most; --json has all
        $ tapeline explain AAPL 1m 2026-11-20T14:31:00Z --source ibkr
        $ tapeline explain AAPL 1m -10m --json
        $ tapeline explain AAPL 1m 09:31 --zone America/New_York
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ExplainCommand {
        ExplainCommand(
            target: try TapeTarget(given), symbol: try given.symbol(given.words[0]),
            series: try given.series(given.words[1]),
            time: try given.time(given.words[2], "the time"), source: try given.source(),
            asked: given.now, asJSON: given.asJSON, skipsTape: given.has("--table-only"),
            showsAll: given.has("--all"))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        return try ExplainRun(command: self, terminal: tool.terminal).run(
            deployment, deployment.proofGraph(tool.environment), shutdown: tool.signals())
    }
}
