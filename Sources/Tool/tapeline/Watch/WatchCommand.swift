import MarketModel
import ServiceRuntime

/// `tapeline watch`: the complete deployment on one screen.
struct WatchCommand: ToolCommand {
    static let intervalRange = 1...3_600

    var target = TapeTarget()
    var interval: Duration = .seconds(1)
    /// Only this source's ticks are shown, and how far groups are behind them. `nil` means all.
    var source: SourceName?
    var isOnce = false
    var asJSON = false

    static let page = CommandPage(
        "watch", .state, "the whole deployment on one screen, redrawn", also: [.json],
        """
        watch
            what the cockpit's overview shows, in the same order and words, redrawn: whether all is
            good, else what is wrong and which runbook helps, what is lost today, and the way of a
            tick. Keys: 1 to 5 show a part in whole, 0 all, j and k move, q ends, p pauses, h helps.
            NO_COLOR: without colours
        --interval N
            seconds from look to look, 1 if not given
        --once
            one look (two, for the rates), then it ends
        --source NAME
            the ticks of this source, and how far groups are behind them
        $ tapeline watch
        $ tapeline watch --source ibkr
        $ tapeline watch --once --json
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> WatchCommand {
        let seconds = try given.integer("--interval", in: intervalRange) ?? 1
        return WatchCommand(
            target: try TapeTarget(given), interval: .seconds(seconds),
            source: try given.source(), isOnce: given.has("--once"), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try WatchRun(command: self, terminal: tool.terminal)
            .run(tool.deployment(target), shutdown: tool.signals())
    }
}
