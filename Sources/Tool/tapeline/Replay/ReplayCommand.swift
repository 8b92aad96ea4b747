import MarketModel
import Primitives
import ReplayProvider
import TapeProtocol

/// `tapeline replay FILE | --from-namespace NS … --to-namespace NS`: replays a recording, or a
/// range of another namespace's tape, into a namespace.
struct ReplayCommand: Equatable, Sendable {
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

    private static let values: Set<String> = [
        "--from-namespace", "--to-namespace", "--source", "--from", "--to", "--symbols", "--speed",
        "--shift", "--partitions",
    ]

    static func parse(
        _ arguments: [String], now: Timestamp
    ) throws(ToolError) -> ReplayCommand {
        let arguments = try CommandArguments(
            "replay", arguments,
            .init(values: TapeTarget.options.union(values), flags: ["--json", "--print"]))
        guard let namespace = try arguments.one("--to-namespace"),
            TapeNames(namespace: namespace, partitions: 1) != nil
        else { throw .usage("'tapeline replay' wants --to-namespace NAME ([a-z][a-z0-9_]*)") }
        let input = try input(arguments, into: namespace, now: now)
        let shift = try arguments.one("--shift") ?? "recorded"
        guard ["now", "recorded"].contains(shift) else {
            throw .usage("--shift wants now or recorded, not '\(shift.prefix(20))'")
        }
        let speed = try arguments.one("--speed") ?? "full"
        guard ReplayProvider.problem(speed: speed) == nil else {
            throw .usage("--speed wants full or a number above 0, not '\(speed.prefix(20))'")
        }
        guard shift == "recorded" || speed == "1" else {
            throw .usage("--shift now needs --speed 1, else ticks are stamped ahead of the time")
        }
        return ReplayCommand(
            target: try TapeTarget(arguments), input: input,
            source: try arguments.source(), namespace: namespace,
            partitions: try arguments.integer("--partitions", in: Partition.countRange),
            symbols: try ReplayTimes.symbols(arguments.all("--symbols")),
            speed: speed, movesToNow: shift == "now", prints: arguments.has("--print"),
            asJSON: arguments.has("--json"))
    }

    private static func input(
        _ arguments: CommandArguments, into namespace: String, now: Timestamp
    ) throws(ToolError) -> Input {
        guard let origin = try arguments.one("--from-namespace") else {
            try arguments.requireWords(1, "a recording, or --from-namespace NAME")
            for option in ["--from", "--to"] where try arguments.one(option) != nil {
                throw .usage("\(option) is for --from-namespace: a recording is replayed whole")
            }
            return .file(arguments.words[0])
        }
        try arguments.requireWords(0, "a recording or --from-namespace, not both")
        guard TapeNames(namespace: origin, partitions: 1) != nil else {
            throw .usage("--from-namespace: '\(origin.prefix(40))' is no namespace")
        }
        guard origin != namespace else {
            throw .usage("--from-namespace and --to-namespace are the same")
        }
        let from = try ReplayTimes.time("--from", arguments, now: now) ?? .undefined
        let to = try ReplayTimes.time("--to", arguments, now: now) ?? now
        guard !from.isDefined || from < to else { throw .usage("--from has to come before --to") }
        guard to <= now else { throw .usage("--to lies ahead") }
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
