import MarketModel
import Primitives

/// `tapeline record --source S -o FILE`: writes to a file what a source put on the tape.
struct RecordCommand: Equatable, Sendable {
    let target: TapeTarget
    /// `nil` means the only source of the tape.
    let source: SourceName?
    /// Selects packets that were sent in [from, to). An undefined `from` means the beginning of the
    /// tape.
    let from: Timestamp
    let to: Timestamp
    let symbols: [Symbol]
    /// Whether the bars of the source's partitions are recorded, too.
    let hasBars: Bool
    let output: String
    let asJSON: Bool

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> RecordCommand {
        let arguments = try CommandArguments(
            "record", arguments,
            .init(
                values: TapeTarget.options.union([
                    "--source", "--from", "--to", "--symbols", "-o", "--output",
                ]),
                flags: ["--json", "--no-bars"]))
        try arguments.requireWords(0, "options only")
        let long = try arguments.one("--output")
        guard let output = try arguments.one("-o") ?? long else {
            throw .usage("'tapeline record' wants -o FILE")
        }
        let to = try ReplayTimes.time("--to", arguments, now: now) ?? now
        let from = try ReplayTimes.time("--from", arguments, now: now) ?? .undefined
        guard !from.isDefined || from < to else {
            throw .usage("--from has to come before --to")
        }
        guard to <= now else { throw .usage("--to lies ahead: what is not there cannot be kept") }
        return RecordCommand(
            target: try TapeTarget(arguments),
            source: try arguments.source(), from: from, to: to,
            symbols: try ReplayTimes.symbols(arguments.all("--symbols")),
            hasBars: !arguments.has("--no-bars"), output: output, asJSON: arguments.has("--json"))
    }
}

/// Parses the times that `record` and `replay` share.
enum ReplayTimes {
    /// Returns the time. `nil` if it was not given, or means the beginning of the tape.
    static func time(
        _ option: String, _ arguments: CommandArguments, now: Timestamp
    ) throws(ToolError) -> Timestamp? {
        guard let text = try arguments.one(option) else { return nil }
        switch try TailPlace.parse(text, option, now: now) {
        case .beginning: return nil
        case .time(let time): return time
        case .sequence: throw .usage("\(option) wants a time, not a place on the tape")
        }
    }

    static func symbols(_ lists: [String]) throws(ToolError) -> [Symbol] {
        var symbols: [Symbol] = []
        for text in lists.flatMap({ $0.split(separator: ",") }) {
            guard let symbol = Symbol(String(text)) else {
                throw .usage("'\(text.prefix(40))' is no symbol")
            }
            if !symbols.contains(symbol) { symbols.append(symbol) }
        }
        return symbols
    }
}
