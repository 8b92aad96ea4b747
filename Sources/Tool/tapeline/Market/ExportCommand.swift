import MarketModel
import Primitives

/// `tapeline export bars|trades|quotes`: rows of the market views as CSV.
struct ExportCommand: Equatable, Sendable {
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

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> ExportCommand {
        let arguments = try CommandArguments(
            "export", arguments,
            .init(
                values: TapeTarget.options.union([
                    "--from", "--to", "--series", "--source", "-o", "--output",
                ])))
        guard let word = arguments.words.first, let kind = Kind(rawValue: word) else {
            let kinds = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw .usage("'tapeline export' wants one of \(kinds), and symbols behind it")
        }
        guard let from = try arguments.one("--from") else {
            throw .usage("'tapeline export' wants --from TIME: \(TailPlace.expectedTime)")
        }
        let to = try arguments.one("--to")
        var command = ExportCommand(
            target: try TapeTarget(arguments), kind: kind,
            symbols: try ReplayTimes.symbols(Array(arguments.words.dropFirst())),
            from: try TailPlace.time(from, "--from", now: now),
            to: try to.map { (text) throws(ToolError) in
                try TailPlace.time(text, "--to", now: now)
            } ?? now)
        guard command.from < command.to else { throw .usage("--from has to come before --to") }
        for name in arguments.all("--series").flatMap({ $0.split(separator: ",") }) {
            guard let series = SeriesName(String(name)) else {
                throw .usage("'\(name.prefix(64))' is no name of a series")
            }
            command.series.append(series)
        }
        guard kind == .bars || command.series.isEmpty else {
            throw .usage("--series is about bars, not about \(kind.rawValue)")
        }
        command.source = try arguments.source()
        let long = try arguments.one("--output")
        let output = try arguments.one("-o") ?? long
        command.output = output == "-" ? nil : output
        return command
    }
}
