import MarketModel
import Primitives
import ReplayProvider
import ServiceRuntime
import TapeProtocol

/// `tapeline replay FILE | --from-namespace NS … --to-namespace NS`: replays a recording, or a
/// range of another namespace's tape, into a namespace.
struct ReplayCommand: ToolCommand {
    enum Input: Equatable, Sendable {
        case file(String)
        case namespace(String, from: Timestamp, to: Timestamp)
    }

    let target: TapeTarget
    let input: Input
    /// `nil` means the source of the file, or the only one of the tape.
    let source: SourceName?
    let namespace: String
    /// `nil` means the namespace's present number, or the default for a new one.
    let partitions: Int?
    let symbols: [Symbol]
    let speed: String
    let movesToNow: Bool
    /// True to only print the commands.
    let prints: Bool
    let asJSON: Bool

    static let page = CommandPage(
        "replay", .choice, "put a recording on another tape", also: [.zone, .json],
        """
        replay FILE --to-namespace NAME [SYMBOL...]
            put a recording on the tape of another namespace, also one with other partitions
        replay --from-namespace NAME --to-namespace NAME [--from TIME] [--to TIME] [SYMBOL...]
            the same with a range of another tape: packets that were sent from then on, and before
            then; all up to now if not given.
            Killed or interrupted (75), a replay goes on where it was by the same command; give --to
            as it was said, if it was not given. It refuses a namespace in which the source has
            anything else (1). 2: the tape had lost some of what was asked for. A local stack has
            all that is needed. Elsewhere NATS_USER and NATS_PASSWORD name the gateway's user, and
            REPLAY_NATS_USER and REPLAY_NATS_PASSWORD one that may read the tape of --from-namespace
        --source NAME
            that of the file, or the only one of the tape, if not given
        --speed 1|N|full
            as fast as recorded, N times as fast (2.5), or as the tape takes it: full if not
            given
        --shift now
            times move so that the recording begins now; only with --speed 1
        --partitions N
            of the new namespace, if it is not there yet
        --print
            only say what to run, for a shell
        $ tapeline replay day.tape --to-namespace test
        $ tapeline replay day.tape --to-namespace demo --speed 1 --shift now
        $ tapeline replay --from-namespace md --to-namespace md64 --partitions 64 --source ibkr
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ReplayCommand {
        guard let namespace = try given.one("--to-namespace"),
            TapeNames(namespace: namespace, partitions: 1) != nil
        else { throw .usage("'tapeline replay' wants --to-namespace NAME ([a-z][a-z0-9_]*)") }
        let input = try input(given, into: namespace)
        var symbols = given.words[...]
        if case .file = input { symbols = symbols.dropFirst() }
        let shift = try given.one("--shift") ?? "recorded"
        guard ["now", "recorded"].contains(shift) else {
            throw .usage("--shift wants now or recorded, not '\(shift.prefix(20))'")
        }
        let speed = try given.one("--speed") ?? "full"
        guard ReplayProvider.problem(speed: speed) == nil else {
            throw .usage("--speed wants full or a number above 0, not '\(speed.prefix(20))'")
        }
        guard shift == "recorded" || speed == "1" else {
            throw .usage("--shift now needs --speed 1, else ticks are stamped ahead of the time")
        }
        return ReplayCommand(
            target: try TapeTarget(given), input: input,
            source: try given.source(), namespace: namespace,
            partitions: try given.integer("--partitions", in: Partition.countRange),
            symbols: try given.symbols(symbols), speed: speed, movesToNow: shift == "now",
            prints: given.has("--print"), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try ReplayRun(
            command: self, terminal: tool.terminal, program: tool.program(StackPlan.gateway)
        ).run(tool.deployment(target), shutdown: tool.signals())
    }

    private static func input(
        _ given: CommandArguments, into namespace: String
    ) throws(ToolError) -> Input {
        guard let origin = try given.one("--from-namespace") else {
            guard let file = given.words.first else {
                throw .usage("'tapeline replay' wants a recording, or --from-namespace NAME")
            }
            for option in ["--from", "--to"] where given.has(option) {
                throw .usage("\(option) is for --from-namespace: a recording is replayed whole")
            }
            return .file(file)
        }
        if let word = given.words.first, FileSystem.exists(word) {
            throw .usage("'tapeline replay' wants a recording or --from-namespace, not both")
        }
        guard TapeNames(namespace: origin, partitions: 1) != nil else {
            throw .usage("--from-namespace: '\(origin.prefix(40))' is no namespace")
        }
        guard origin != namespace else {
            throw .usage("--from-namespace and --to-namespace are the same")
        }
        let (from, to) = try given.sent()
        return .namespace(origin, from: from, to: to)
    }

    /// Returns the gateway's settings for the replay, without those of the servers.
    func environment(of source: SourceName, partitions: Int) -> [String: String] {
        var environment = [
            "MDS_NAMESPACE": namespace, "MDS_PARTITIONS": "\(partitions)",
            "GATEWAY_SOURCE": source.text, "GATEWAY_PROVIDER": "replay", "REPLAY_SPEED": speed,
            "REPLAY_SHIFT": movesToNow ? "now" : "recorded",
        ]
        if !symbols.isEmpty {
            environment["REPLAY_SYMBOLS"] = symbols.map(\.text).joined(separator: ",")
        }
        switch input {
        case .file(let path): environment["REPLAY_FILE"] = path
        case .namespace(let origin, let from, let to):
            environment["REPLAY_NAMESPACE"] = origin
            environment["REPLAY_SOURCE"] = source.text
            if from.isDefined { environment["REPLAY_FROM"] = "\(from)" }
            environment["REPLAY_TO"] = "\(to)"
        }
        return environment
    }
}
