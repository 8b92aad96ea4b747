import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline repair SYMBOL --from T --to T`: has the bars of a range computed again from the tape.
struct RepairCommand: ToolCommand {
    static let timeoutDefault = 60
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

    static let page = CommandPage(
        "repair", .correction, "have bars computed again from the tape",
        also: [.zone, .yes, .json],
        """
        repair SYMBOL --from TIME --to TIME
            have the bars of that time computed again from the tape, with what came late, was taken
            back, corrected or filled in; they get new versions. It is also the way to accept late
            ticks that are listed (late_ticks)
        --source NAME
            only the bars of this source, not those of all sources
        --reason repair|bust|gap|backfill, --note TEXT
            what the new versions say about why
        --wait, --timeout N
            until the new versions are stored (without a database: are on the tape), so many
            seconds at most: 0 done, 1 refused with the reason, 2 in part, 75 not yet
        --dry-run
            say what would be asked for
        $ tapeline repair AAPL --from -2h --to -1h --note "late feed" --wait
        $ tapeline repair AAPL --source ibkr --from -2h --to -1h
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> RepairCommand {
        let symbol = try given.symbol(given.words[0])
        let (from, to) = (try given.neededTime("--from"), try given.neededTime("--to"))
        try CommandArguments.require(from, before: to)
        guard to <= given.now else {
            throw .usage("--to lies in the future: 'now' is as far as a repair reaches")
        }
        guard to.nanoseconds - from.nanoseconds <= daysMax * dayNanoseconds else {
            throw .usage("more than \(daysMax) days cannot be repaired at once: ask for parts")
        }
        return RepairCommand(
            target: try TapeTarget(given), symbol: symbol, source: try given.source(),
            from: from, to: to, reason: try reason(given),
            note: try given.note("--note", bytesMax: RepairRequest.noteBytesMax) ?? "",
            isDryRun: given.isDryRun,
            waitSeconds: try given.waitSeconds(default: timeoutDefault),
            isConfirmed: given.isConfirmed, asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try RepairRun(command: self, terminal: tool.terminal)
            .run(tool.deployment(target), shutdown: tool.signals())
    }

    private static func reason(_ given: CommandArguments) throws(ToolError) -> BarReason {
        let text = try given.one("--reason") ?? "repair"
        for reason in [BarReason.repair, .bust, .gap, .backfill] where "\(reason)" == text {
            return reason
        }
        throw .usage("--reason wants repair, bust, gap or backfill, not '\(text.prefix(40))'")
    }
}
