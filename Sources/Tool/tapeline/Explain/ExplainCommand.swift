import MarketModel
import Primitives

/// `tapeline explain`: one bar, with every tick of its window and the reason why it counts or not.
struct ExplainCommand: Equatable, Sendable {
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

    static let taken = CommandArguments.Taken(
        values: TapeTarget.options.union(["--source"]), flags: ["--json", "--table-only"])

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> ExplainCommand {
        let given = try CommandArguments("explain", arguments, taken)
        try given.requireWords(
            3,
            "a symbol, a series and a time, as in 'tapeline explain AAPL 1m "
                + "2026-11-20T14:31:00Z'")
        guard let symbol = Symbol(given.words[0]) else {
            throw .usage("'\(given.words[0].prefix(64))' is no symbol")
        }
        guard let series = SeriesName(given.words[1]) else {
            throw .usage("'\(given.words[1].prefix(64))' is no name of a series")
        }
        var command = ExplainCommand(
            symbol: symbol, series: series,
            time: try TailPlace.time(given.words[2], "the time", now: now), asked: now)
        command.target = try TapeTarget(given)
        command.source = try given.source()
        command.asJSON = given.has("--json")
        command.skipsTape = given.has("--table-only")
        return command
    }
}
