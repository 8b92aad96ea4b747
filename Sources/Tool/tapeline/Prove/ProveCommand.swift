import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline prove`: computes bars again from their stored ticks and compares them.
struct ProveCommand: ToolCommand {
    var target = TapeTarget()
    /// Empty means all symbols with ticks or bars in the range.
    var symbols: [Symbol] = []
    /// Empty means all series of the graph.
    var series: [SeriesName] = []
    /// Bars that open in [from, to).
    var from: Timestamp
    var to: Timestamp
    /// When the command was given.
    var asked: Timestamp
    var asJSON = false
    /// True to use only the stored trades and quotes.
    var skipsTape = false

    static let page = CommandPage(
        "prove", .proof, "compute bars again, and compare them", also: [.zone, .json],
        """
        prove [SYMBOL...] --from TIME [--to TIME]
            compute the bars of that time (without --to: up to now) again, from the tape and from
            the stored ticks, and from the tape the numbers of aggregates and, without symbols and
            series, the values over all partitions, by the operators'
            OPERATOR_GRAPH or OPERATOR_SERIES (of a local stack: those with which it was started),
            and compare them with the stored ones: 0 equal, 1 not, 2 equal as far as the tape still
            reaches and a number is what its ticks make, or no bar at all in that time
        --series S,...
            only the bars of these
        --table-only
            from the stored ticks alone
        $ tapeline prove AAPL --from -2h --to -1h
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ProveCommand {
        var command = ProveCommand(
            target: try TapeTarget(given), symbols: try given.symbols(),
            series: try given.seriesList(), from: try given.neededTime("--from"),
            to: try given.time("--to") ?? given.now, asked: given.now)
        try CommandArguments.require(command.from, before: command.to)
        command.asJSON = given.asJSON
        command.skipsTape = given.has("--table-only")
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        return try ProveRun(command: self, terminal: tool.terminal).run(
            deployment, deployment.proofGraph(tool.environment), shutdown: tool.signals())
    }
}
