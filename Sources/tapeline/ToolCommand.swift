import Primitives
import ServiceRuntime

/// What the arguments ask for.
enum ToolCommand: Equatable, Sendable {
    case help
    case version
    case up(Target, Stack.UpOptions)
    case down(Target)
    case status(Target, asJSON: Bool)
    case audit(Target, asJSON: Bool)
    case demo(Target, Stack.DemoOptions)
    case tail(TailCommand)
    case tape(TapeCommand)
    case partition(PartitionCommand)
    case position(PositionCommand)
    case groups(GroupsCommand)
    case members(MembersCommand)
    case watch(WatchCommand)
    case spool(SpoolCommand)
    case repair(RepairCommand)
    case deadLetters(DlqCommand)
    case prove(ProveCommand)
    case record(RecordCommand)
    case replay(ReplayCommand)
    case recordingHelp
    /// The process behind `up`; nobody types it.
    case supervise(Target, Stack.UpOptions)

    /// Which stack of which checkout.
    struct Target: Equatable, Sendable {
        /// The demo has a stack of its own, so that it disturbs nobody's data.
        static let demoName = "demo"

        var home: String?
        var name: String?
    }

    static let words = [
        "demo", "up", "down", "status", "audit", "supervise", "version", "help", "tail",
        "tape", "partition", "position", "groups", "members", "watch", "spool",
        "repair", "dlq", "prove", "record", "replay",
    ]

    /// `arguments` without the program's name.
    static func parse(
        _ arguments: [String], now: Timestamp = SystemClock().now()
    ) throws(ToolError) -> ToolCommand {
        let wantsHelp = arguments.contains("--help") || arguments.contains("-h")
        if wantsHelp, ["record", "replay"].contains(arguments.first) { return .recordingHelp }
        guard let word = arguments.first, !wantsHelp else { return .help }
        let rest = Array(arguments.dropFirst())
        switch word {
        case "tail": return .tail(try TailCommand.parse(rest, now: now))
        case "tape": return .tape(try TapeCommand.parse(rest))
        case "partition": return .partition(try PartitionCommand.parse(rest))
        case "position": return .position(try PositionCommand.parse(rest))
        case "groups": return .groups(try GroupsCommand.parse(rest))
        case "members": return .members(try MembersCommand.parse(rest))
        case "watch": return .watch(try WatchCommand.parse(rest))
        case "spool": return .spool(try SpoolCommand.parse(rest))
        case "prove": return .prove(try ProveCommand.parse(rest, now: now))
        case "repair": return .repair(try RepairCommand.parse(rest, now: now))
        case "record": return .record(try RecordCommand.parse(rest, now: now))
        case "replay": return .replay(try ReplayCommand.parse(rest, now: now))
        case "dlq": return .deadLetters(try DlqCommand.parse(rest, now: now))
        default: return try parseStack(word, rest)
        }
    }

    /// The commands about a local stack.
    private static func parseStack(
        _ word: String, _ rest: [String]
    ) throws(ToolError) -> ToolCommand {
        var options = ToolOptions(word, rest)
        try options.read()
        let up = Stack.UpOptions(
            settings: options.settings, withServices: options.withServices,
            withSimulator: options.withSimulator)
        switch word {
        case "help": return .help
        case "version", "--version": return .version
        case "up": return .up(options.target, up)
        case "down": return .down(options.target)
        case "status": return .status(options.target, asJSON: options.asJSON)
        case "audit": return .audit(options.target, asJSON: options.asJSON)
        case "demo":
            var demo = options.demo
            demo.settings = options.settings
            return .demo(options.target, demo)
        case "supervise": return .supervise(options.target, up)
        default: throw .usage("'\(word.prefix(64))' is no command")
        }
    }
}

/// The options behind a command's word.
private struct ToolOptions {
    var target = ToolCommand.Target()
    var settings = StackSettings()
    var withServices = true
    var withSimulator = false
    var asJSON = false
    var demo = Stack.DemoOptions()

    private let word: String
    private var rest: [String]

    init(_ word: String, _ rest: [String]) {
        self.word = word
        self.rest = rest.reversed()
    }

    /// Which commands take which option.
    private static let takers: [String: Set<String>] = [
        "--home": ["demo", "up", "down", "status", "audit", "supervise"],
        "--name": ["demo", "up", "down", "status", "audit", "supervise"],
        "--set": ["demo", "up", "supervise"],
        "--servers-only": ["up", "supervise"],
        "--simulator": ["up", "supervise"],
        "--json": ["status", "audit"],
        "--seconds": ["demo"],
        "--keep": ["demo"],
    ]

    mutating func read() throws(ToolError) {
        while let argument = rest.popLast() {
            let equals = argument.firstIndex(of: "=")
            let option = equals.map { String(argument[..<$0]) } ?? argument
            guard ToolOptions.takers[option]?.contains(word) == true else {
                guard ToolCommand.words.contains(word) || word == "--version" else { return }
                throw .usage("'tapeline \(word)' does not take '\(option.prefix(64))'")
            }
            let attached = equals.map { String(argument[argument.index(after: $0)...]) }
            try set(option, attached)
        }
    }

    private mutating func set(_ option: String, _ attached: String?) throws(ToolError) {
        switch option {
        case "--home": target.home = try value(option, attached)
        case "--name": target.name = try value(option, attached)
        case "--set": try settings.add(value(option, attached))
        case "--servers-only":
            try refuse(option, attached)
            withServices = false
        case "--simulator":
            try refuse(option, attached)
            withSimulator = true
        case "--seconds": demo.seconds = try seconds(value(option, attached))
        case "--keep":
            try refuse(option, attached)
            demo.keep = true
        default:
            try refuse(option, attached)
            asJSON = true
        }
    }

    private mutating func value(
        _ option: String, _ attached: String?
    ) throws(ToolError) -> String {
        guard let value = attached ?? rest.popLast(), !value.isEmpty else {
            throw .usage("\(option) wants a value")
        }
        return value
    }

    private func seconds(_ text: String) throws(ToolError) -> Int {
        guard let seconds = Int(text), DemoPlan.secondsRange.contains(seconds) else {
            let range = DemoPlan.secondsRange
            throw .usage(
                "--seconds wants a number from \(range.lowerBound) to \(range.upperBound), "
                    + "not '\(text.prefix(20))'")
        }
        return seconds
    }

    private func refuse(_ option: String, _ attached: String?) throws(ToolError) {
        if attached != nil { throw .usage("\(option) takes no value") }
    }
}
