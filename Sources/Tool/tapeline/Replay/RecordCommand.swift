import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline record --source S -o FILE`: writes to a file what a source put on the tape.
struct RecordCommand: ToolCommand {
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

    static let page = CommandPage(
        "record", .choice, "write what a source put on the tape into a file", also: [.zone, .json],
        """
        record -o FILE [--from TIME] [--to TIME] [SYMBOL...]
            write what a source put on the tape into a file, and its bars: packets that were sent
            from then on, and before then; all up to now if not given. Of symbols it is all that
            their partitions have, because packets stay whole. 1: there is nothing to record, 2: the
            tape had lost some of it
        --source NAME
            if not given, the only one of the tape
        -o FILE, --output FILE
            a file that is not there yet
        --no-bars
            only ticks. Otherwise the file also has the bars of these partitions that the
            tape took in that time; a replay leaves them out
        $ tapeline record --source ibkr --from 2026-11-20T14:30:00Z -o day.tape
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> RecordCommand {
        guard let output = try given.output() else {
            throw .usage("'tapeline record' wants -o FILE")
        }
        let (from, to) = try given.sent()
        return RecordCommand(
            target: try TapeTarget(given), source: try given.source(), from: from, to: to,
            symbols: try given.symbols(), hasBars: !given.has("--no-bars"), output: output,
            asJSON: given.asJSON)
    }

    /// What a person has to know who chose symbols. `nil`: none were chosen.
    var remark: String? {
        guard !symbols.isEmpty else { return nil }
        let names = symbols.map(\.text).joined(separator: ", ")
        return "it has all that is in the partitions of \(names), because packets stay whole for "
            + "proofs; 'tapeline replay FILE SYMBOL' plays one symbol alone"
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try RecordRun(command: self, terminal: tool.terminal)
            .run(tool.deployment(target), shutdown: tool.signals())
    }
}

/// The arguments that `record` and `replay` share.
extension CommandArguments {
    /// Returns the range of `--from` and `--to` in which packets were sent. An undefined `from` is
    /// the beginning of the tape.
    func sent() throws(ToolError) -> (from: Timestamp, to: Timestamp) {
        let (from, to) = (try sent("--from") ?? .undefined, try sent("--to") ?? now)
        if from.isDefined { try Self.require(from, before: to) }
        guard to <= now else { throw .usage("--to lies ahead: what is not there cannot be kept") }
        return (from, to)
    }

    private func sent(_ option: String) throws(ToolError) -> Timestamp? {
        switch try place(option) {
        case .beginning, nil: return nil
        case .time(let time): return time
        case .sequence: throw .usage("\(option) wants a time, not a place on the tape")
        }
    }
}
