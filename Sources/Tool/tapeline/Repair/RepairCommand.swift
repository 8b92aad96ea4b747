import MarketModel
import Primitives

/// `tapeline repair SYMBOL --from T --to T`: has the bars of a range computed again from the tape.
struct RepairCommand: Equatable, Sendable {
    static let timeoutDefault = 60
    static let timeoutRange = 1...86_400
    /// The longest range in days; the operator refuses more.
    static let daysMax: Int64 = 32
    private static let dayNanoseconds: Int64 = 86_400_000_000_000

    let target: TapeTarget
    let symbol: Symbol
    /// `nil` means all sources of the symbol.
    let source: SourceName?
    /// The range of event times is [from, to).
    let from: Timestamp
    let to: Timestamp
    let reason: BarReason
    let note: String
    let isDryRun: Bool
    /// How long to wait for the new versions. `nil` means not to wait.
    let waitSeconds: Int?
    let isConfirmed: Bool
    let asJSON: Bool

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> RepairCommand {
        let arguments = try CommandArguments(
            "repair", arguments,
            .init(
                values: TapeTarget.options.union([
                    "--from", "--to", "--source", "--note", "--reason", "--timeout",
                ]),
                flags: ["--dry-run", "--json", "--wait", "--yes"]))
        try arguments.requireWords(1, "one symbol")
        guard let symbol = Symbol(arguments.words[0]) else {
            throw .usage(
                "'\(arguments.words[0].prefix(40))' is no symbol: 1 to \(Symbol.utf8CountMax) "
                    + "bytes without control characters")
        }
        let (from, to) = (
            try time("--from", arguments, now: now), try time("--to", arguments, now: now)
        )
        guard from < to else { throw .usage("--from has to come before --to") }
        guard to <= now else {
            throw .usage("--to lies in the future: 'now' is as far as a repair reaches")
        }
        guard to.nanoseconds - from.nanoseconds <= daysMax * dayNanoseconds else {
            throw .usage("more than \(daysMax) days cannot be repaired at once: ask for parts")
        }
        let note = try arguments.one("--note") ?? ""
        guard note.utf8.count <= RepairRequest.noteBytesMax else {
            throw .usage("--note has more than \(RepairRequest.noteBytesMax) bytes")
        }
        let seconds = try arguments.integer("--timeout", in: timeoutRange)
        return RepairCommand(
            target: try TapeTarget(arguments), symbol: symbol, source: try arguments.source(),
            from: from, to: to, reason: try reason(arguments), note: note,
            isDryRun: arguments.has("--dry-run"),
            waitSeconds: arguments.has("--wait") ? seconds ?? timeoutDefault : nil,
            isConfirmed: arguments.has("--yes"), asJSON: arguments.has("--json"))
    }

    private static func time(
        _ option: String, _ arguments: CommandArguments, now: Timestamp
    ) throws(ToolError) -> Timestamp {
        guard let text = try arguments.one(option) else {
            throw .usage("'tapeline repair' wants \(option) TIME")
        }
        return try TailPlace.time(text, option, now: now)
    }

    private static func reason(_ arguments: CommandArguments) throws(ToolError) -> BarReason {
        let given = try arguments.one("--reason") ?? "repair"
        for reason in [BarReason.repair, .bust, .gap, .backfill] where "\(reason)" == given {
            return reason
        }
        throw .usage("--reason wants repair, bust, gap or backfill, not '\(given.prefix(40))'")
    }
}
