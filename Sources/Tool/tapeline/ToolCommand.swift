import Primitives
import ServiceRuntime

/// The command that the arguments ask for.
enum ToolCommand: Equatable, Sendable {
    /// The help of one command, or the complete page for `nil`.
    case help(String?)
    case version
    case up(Target, Stack.UpOptions)
    case down(Target)
    case status(Target, asJSON: Bool)
    case graph(GraphCommand)
    case audit(AuditCommand)
    case demo(Target, Stack.DemoOptions)
    case tail(TailCommand)
    case tape(TapeCommand)
    case partition(PartitionCommand)
    case position(PositionCommand)
    case groups(GroupsCommand)
    case buckets(BucketsCommand)
    case members(MembersCommand)
    case member(MemberCommand)
    case mayI(MayICommand)
    case actions(ActionsCommand)
    case source(SourceCommand)
    case feed(FeedCommand)
    case watchlist(WatchlistCommand)
    case watch(WatchCommand)
    case spool(SpoolCommand)
    case repair(RepairCommand)
    case trade(TradeCommand)
    case deadLetters(DlqCommand)
    case prove(ProveCommand)
    case explain(ExplainCommand)
    case quality(QualityCommand)
    case reconcile(ReconcileCommand)
    case record(RecordCommand)
    case replay(ReplayCommand)
    case load(LoadCommand)
    case setup(SetupCommand)
    case doctor(DoctorCommand)
    case bundle(BundleCommand)
    case completions(Completions.Shell)
    case database(DatabaseCommand)
    case server(ServerCommand)
    case logs(LogsCommand)
    case bars(BarsCommand)
    case rewritten(RewrittenCommand)
    case gaps(GapsCommand)
    case export(ExportCommand)
    /// The supervisor process that `up` starts. People do not call it.
    case supervise(Target, Stack.UpOptions)

    /// A stack of a checkout.
    struct Target: Equatable, Sendable {
        /// The demo has its own stack, so that it cannot disturb other data.
        static let demoName = "demo"

        var home: String?
        var name: String?
    }

    /// `supervise` is internal, so no help page names it.
    static let words = HelpPage.topics.map(\.word) + ["supervise"]

    /// Parses `arguments`, which do not include the program's name.
    static func parse(
        _ arguments: [String], now: Timestamp = SystemClock().now()
    ) throws(ToolError) -> ToolCommand {
        guard let word = arguments.first else { return .help(nil) }
        // What follows 'psql' is for psql.
        let rest =
            try word == "psql"
            ? Array(arguments.dropFirst())
            : TimeWords.resolved(
                Array(arguments.dropFirst()), now: now,
                valuesBesideTimes: word == "explain" ? ExplainCommand.taken.values : nil)
        if word == "help" { return try help(rest) }
        if arguments.contains("--help") || arguments.contains("-h") {
            return word.hasPrefix("-") ? .help(nil) : try help([word])
        }
        switch word {
        case "tail": return .tail(try TailCommand.parse(rest, now: now))
        case "tape": return .tape(try TapeCommand.parse(rest))
        case "partition": return .partition(try PartitionCommand.parse(rest))
        case "position": return .position(try PositionCommand.parse(rest))
        case "graph": return .graph(try GraphCommand.parse(rest))
        case "groups": return .groups(try GroupsCommand.parse(rest))
        case "buckets": return .buckets(try BucketsCommand.parse(rest))
        case "members": return .members(try MembersCommand.parse(rest))
        case "member": return .member(try MemberCommand.parse(rest))
        case "may-i": return .mayI(try MayICommand.parse(rest))
        case "actions": return .actions(try ActionsCommand.parse(rest))
        case "feed": return .feed(try FeedCommand.parse(rest))
        case "source": return .source(try SourceCommand.parse(rest))
        case "watchlist": return .watchlist(try WatchlistCommand.parse(rest))
        case "watch": return .watch(try WatchCommand.parse(rest))
        case "spool": return .spool(try SpoolCommand.parse(rest))
        case "audit": return .audit(try AuditCommand.parse(rest, now: now))
        case "prove": return .prove(try ProveCommand.parse(rest, now: now))
        case "explain": return .explain(try ExplainCommand.parse(rest, now: now))
        case "quality": return .quality(try QualityCommand.parse(rest, now: now))
        case "reconcile": return .reconcile(try ReconcileCommand.parse(rest, now: now))
        case "repair": return .repair(try RepairCommand.parse(rest, now: now))
        case "trade": return .trade(try TradeCommand.parse(rest))
        case "record": return .record(try RecordCommand.parse(rest, now: now))
        case "replay": return .replay(try ReplayCommand.parse(rest, now: now))
        case "load": return .load(try LoadCommand.parse(rest, now: now))
        case "setup": return .setup(try SetupCommand.parse(rest))
        case "doctor": return .doctor(try DoctorCommand.parse(rest))
        case "support-bundle": return .bundle(try BundleCommand.parse(rest, now: now))
        case "completions": return .completions(try Completions.parse(rest))
        case "logs": return .logs(try LogsCommand.parse(rest))
        case "bars" where rest.contains(RewrittenCommand.flag):
            return .rewritten(try RewrittenCommand.parse(rest, now: now))
        case "bars": return .bars(try BarsCommand.parse(rest, now: now))
        case "export": return .export(try ExportCommand.parse(rest, now: now))
        case "gaps": return .gaps(try GapsCommand.parse(rest))
        case "psql", "url", "env": return .database(try DatabaseCommand.parse(word, rest))
        case "database": return .server(try ServerCommand.parse(rest))
        case "dlq": return .deadLetters(try DlqCommand.parse(rest, now: now))
        default: return try parseStack(word, rest)
        }
    }

    private static func help(_ words: [String]) throws(ToolError) -> ToolCommand {
        guard words.count <= 1 else { throw .usage("'tapeline help' takes one command") }
        guard let word = words.first, !word.hasPrefix("-") else { return .help(nil) }
        guard HelpPage.text(of: word) != nil else { throw unknown(word) }
        return .help(word)
    }

    private static func unknown(_ word: String) -> ToolError {
        let near = NearestName.of(word, in: HelpPage.topics.map(\.word))
        return .usage(
            "'\(word.prefix(64))' is no command"
                + (near.map { ": did you mean '\($0)'?" } ?? ""))
    }

    /// The commands about a local stack.
    private static func parseStack(
        _ word: String, _ rest: [String]
    ) throws(ToolError) -> ToolCommand {
        var options = ToolOptions(word, rest)
        try options.read()
        let up = Stack.UpOptions(
            settings: options.settings, withServices: options.withServices,
            withSimulator: options.withSimulator, addsSource: options.addsSource)
        switch word {
        case "version", "--version": return .version
        case "up": return .up(options.target, up)
        case "down": return .down(options.target)
        case "status": return .status(options.target, asJSON: options.asJSON)
        case "demo":
            var demo = options.demo
            demo.settings = options.settings
            return .demo(options.target, demo)
        case "supervise": return .supervise(options.target, up)
        default: throw unknown(word)
        }
    }
}

/// The options after a command's word.
private struct ToolOptions {
    var target = ToolCommand.Target()
    var settings = StackSettings()
    var withServices = true
    var withSimulator = false
    var addsSource = false
    var asJSON = false
    var demo = Stack.DemoOptions()

    private let word: String
    private var rest: [String]

    init(_ word: String, _ rest: [String]) {
        self.word = word
        self.rest = rest.reversed()
    }

    /// The commands that accept each option.
    private static let takers: [String: Set<String>] = [
        "--home": ["demo", "up", "down", "status", "supervise"],
        "--name": ["demo", "up", "down", "status", "supervise"],
        "--set": ["demo", "up", "supervise"],
        "--settings": ["up"],
        "PROVIDER": ["up"],
        "--servers-only": ["up", "supervise"],
        "--simulator": ["up", "supervise"],
        "--add-source": ["up"],
        "--json": ["status"],
        "--seconds": ["demo"],
        "--keep": ["demo"],
    ]

    mutating func read() throws(ToolError) {
        while let argument = rest.popLast() {
            let equals = argument.firstIndex(of: "=")
            let option = equals.map { String(argument[..<$0]) } ?? argument
            guard ToolOptions.takers[option]?.contains(word) == true else {
                guard ToolCommand.words.contains(word) || word == "--version" else { return }
                let own = ToolOptions.takers.filter { $0.value.contains(word) }.keys
                throw CommandArguments.notTaken(option, by: word, own)
            }
            let attached = equals.map { String(argument[argument.index(after: $0)...]) }
            try set(option, attached)
        }
    }

    private mutating func set(_ option: String, _ attached: String?) throws(ToolError) {
        switch option {
        case "--home": target.home = try value(option, attached)
        case "--name": target.name = try value(option, attached)
        case "--set":
            let folder = FileSystem.resolved(".") ?? "."
            try settings.add(SettingsFile.absolute(value(option, attached), folder))
        case "--settings": try addFile(value(option, attached))
        case "PROVIDER": try settings.add("GATEWAY_PROVIDER=\(value(option, attached))")
        case "--servers-only":
            try refuse(option, attached)
            withServices = false
        case "--simulator":
            try refuse(option, attached)
            withSimulator = true
        case "--add-source":
            try refuse(option, attached)
            addsSource = true
        case "--seconds": demo.seconds = try seconds(value(option, attached))
        case "--keep":
            try refuse(option, attached)
            demo.keep = true
        default:
            try refuse(option, attached)
            asJSON = true
        }
    }

    private mutating func addFile(_ path: String) throws(ToolError) {
        for entry in try SettingsFile.read(path) {
            do throws(ToolError) {
                try settings.add(entry.text)
            } catch {
                throw .usage("\(path.prefix(200)) line \(entry.line): \(error)")
            }
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
