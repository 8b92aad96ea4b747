import MarketModel

/// `tapeline watch`: the complete deployment on one screen.
struct WatchCommand: Equatable, Sendable {
    static let intervalRange = 1...3_600

    var target = TapeTarget()
    var interval: Duration = .seconds(1)
    /// Only this source's ticks are shown, and how far groups are behind them. `nil` means all.
    var source: SourceName?
    var isOnce = false
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> WatchCommand {
        let arguments = try CommandArguments(
            "watch", arguments,
            .init(
                values: TapeTarget.options.union(["--interval", "--source"]),
                flags: ["--once", "--json"]))
        try arguments.requireWords(0, "options only")
        let seconds = try arguments.integer("--interval", in: intervalRange) ?? 1
        return WatchCommand(
            target: try TapeTarget(arguments), interval: .seconds(seconds),
            source: try arguments.source(), isOnce: arguments.has("--once"),
            asJSON: arguments.has("--json"))
    }
}
