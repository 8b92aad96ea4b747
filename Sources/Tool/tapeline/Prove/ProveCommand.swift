import MarketModel
import Primitives

/// `tapeline prove`: computes bars again from their stored ticks and compares them.
struct ProveCommand: Equatable, Sendable {
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

    private static let taken = CommandArguments.Taken(
        values: TapeTarget.options.union(["--series", "--from", "--to"]),
        flags: ["--json", "--table-only"])

    static func parse(_ arguments: [String], now: Timestamp) throws(ToolError) -> ProveCommand {
        let given = try CommandArguments("prove", arguments, taken)
        guard let from = try time("--from", given, now) else {
            throw .usage("'tapeline prove' wants --from: a time, or a distance such as -1h")
        }
        var command = ProveCommand(
            target: try TapeTarget(given), from: from, to: try time("--to", given, now) ?? now,
            asked: now)
        guard command.from < command.to else {
            throw .usage("--from \(command.from) is not before --to \(command.to)")
        }
        command.symbols = try given.symbols()
        for text in given.all("--series").flatMap({ $0.split(separator: ",") }) {
            guard let name = SeriesName(String(text)) else {
                throw .usage("'\(text.prefix(40))' is no series")
            }
            if !command.series.contains(name) { command.series.append(name) }
        }
        command.asJSON = given.has("--json")
        command.skipsTape = given.has("--table-only")
        return command
    }

    private static func time(
        _ option: String, _ given: CommandArguments, _ now: Timestamp
    ) throws(ToolError) -> Timestamp? {
        guard let text = try given.one(option) else { return nil }
        return try TailPlace.time(text, option, now: now)
    }
}
