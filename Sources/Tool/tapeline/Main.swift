internal import Glibc
import ServiceRuntime

@main
enum Main {
    static func main() {
        // It reads passwords and keys. The processes of a local stack inherit this.
        CoreDumps.forbid()
        let arguments = Array(CommandLine.arguments.dropFirst())
        var terminal = Terminal()
        terminal.stack = NamedCommands.name(in: arguments)
        do {
            exit(try run(parsed(arguments), terminal).rawValue)
        } catch {
            terminal.problem("\(error)")
            exit(error.exitCode.rawValue)
        }
    }

    /// An error in the arguments points to the help of its command.
    private static func parsed(_ arguments: [String]) throws(ToolError) -> ToolCommand {
        do {
            return try ToolCommand.parse(arguments)
        } catch .usage(let problem) {
            let word = arguments.first.flatMap {
                $0 == "help" || HelpPage.text(of: $0) == nil ? nil : $0
            }
            let help = word.map { "tapeline \($0) --help" } ?? "tapeline help"
            // A question mark already ends the sentence.
            throw .usage(problem + (problem.hasSuffix("?") ? " See '\(help)'" : ": see '\(help)'"))
        } catch {
            throw error
        }
    }

    private static func say(_ text: String, _ terminal: Terminal) -> ExitCode {
        terminal.line(text)
        return .success
    }

    private static func run(
        _ command: ToolCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        switch command {
        case .help(let word):
            return say(word.flatMap(HelpPage.text(of:)) ?? HelpPage.text, terminal)
        case .version: return say(ProductVersion.line("tapeline"), terminal)
        case .up(let target, let options):
            return try stack(target, terminal).up(options, shutdown: signals())
        case .down(let target): return try stack(target, terminal).down()
        case .status(let target, let asJSON):
            return try stackThatIsUp(target, terminal).status(asJSON: asJSON)
        case .graph(let command):
            return try stackThatIsUp(command.target, terminal).apply(command, shutdown: signals())
        case .audit(let command): return try audit(command, terminal)
        case .demo(let target, let options):
            let stack = try stack(target, terminal, default: ToolCommand.Target.demoName)
            return try stack.demo(options, shutdown: signals())
        case .tail(let command): return try tail(command, terminal)
        case .tape(let command): return try tape(command, terminal)
        case .position(let command): return try position(command, terminal)
        case .server(let command): return try server(command, terminal)
        case .groups(let command): return try groups(command, terminal)
        case .buckets(let command): return try buckets(command, terminal)
        case .partition(.of(let question)): return say(question.answer, terminal)
        case .partition(.rebuild(let command)):
            return try command.run(
                deployment(command.target), shutdown: signals(), terminal)
        case .members(let command): return try command.run(deployment(command.target), terminal)
        case .member(let command): return try member(command, terminal)
        case .mayI(let command): return try command.run(deployment(command.target), terminal)
        case .actions(let command): return try actions(command, terminal)
        case .watch(let command): return try watch(command, terminal)
        case .spool(let command): return try spool(command, terminal)
        case .repair(let command):
            return try RepairRun(command: command, terminal: terminal)
                .run(deployment(command.target), shutdown: signals())
        case .trade(let command): return try trade(command, terminal)
        case .source(let command): return try source(command, terminal)
        case .feed(let command):
            return try command.run(environment, shutdown: signals(), terminal)
        case .watchlist(let command): return try watchlist(command, terminal)
        case .deadLetters(let command): return try deadLetters(command, terminal)
        case .prove(let command): return try prove(command, terminal)
        case .record, .replay, .load: return try recording(command, terminal)
        case .bars, .rewritten, .gaps, .export, .database, .logs, .explain, .reconcile, .quality:
            return try reading(command, terminal)
        case .setup(let command):
            return try setup(command, terminal)
        case .doctor(let command):
            return try command.run(deployment(command.target), environment, terminal)
        case .bundle(let command):
            return try command.run(deployment(command.target), environment, terminal)
        case .completions(let shell): return say(Completions.script(shell), terminal)
        case .supervise(let target, let options):
            return try stack(target, terminal).supervise(options, shutdown: signals())
        }
    }

    private static var environment: [String: String] { ConfigurationFiles.environment() }

    private static func server(
        _ command: ServerCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try ServerRun(command: command, terminal: terminal).run(deployment(command.target))
    }

    private static func setup(
        _ command: SetupCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let patience = try SetupPatience(signals(), terminal)
        return try command.run(deployment(command.target), environment, terminal, patience)
    }

    private static func buckets(
        _ command: BucketsCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try BucketsRun(command: command, terminal: terminal).run(deployment(command.target))
    }

    private static func tape(
        _ command: TapeCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let deployment = try deployment(command.target)
        if let verification = command.verification {
            return try VerifyRun(
                command: command, verification: verification, terminal: terminal
            ).run(deployment, shutdown: signals())
        }
        return try TapeRun(command: command, terminal: terminal)
            .run(deployment, shutdown: signals())
    }

    private static func tail(
        _ command: TailCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let deployment = try deployment(command.target)
        if command.isLive {
            return try LiveTail(command, terminal).run(deployment, shutdown: signals())
        }
        return try TailRun(command, terminal).run(deployment, shutdown: signals())
    }

    /// Audits the local stack, unless the environment names servers.
    private static func audit(
        _ command: AuditCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let target = command.target
        let namesServers = environment["NATS_URL"]?.isEmpty == false
        guard target.name == nil, target.home == nil, namesServers else {
            let stack = try stackThatIsUp(target, terminal)
            return try audit(command, AuditScript.read(stack.checkout), terminal).run(stack)
        }
        let script = try AuditScript.find(executable: Checkout.ownExecutable())
        return try audit(command, script, terminal).run(deployment(TapeTarget()))
    }

    private static func audit(
        _ command: AuditCommand, _ script: AuditScript, _ terminal: Terminal
    ) throws(ToolError) -> AuditRun {
        AuditRun(
            command: command, script: script, environment: environment, terminal: terminal,
            shutdown: try signals())
    }

    private static func prove(
        _ command: ProveCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let deployment = try deployment(command.target)
        return try ProveRun(command: command, terminal: terminal).run(
            deployment, deployment.proofGraph(environment), shutdown: signals())
    }

    /// Runs a command that shows the market data of any database, or of a local stack.
    private static func source(
        _ command: SourceCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try SourceRun(command: command, terminal: terminal)
            .run(deployment(command.target), shutdown: signals())
    }

    private static func member(
        _ command: MemberCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try MemberRun(command: command, terminal: terminal, shutdown: signals())
            .run(deployment(command.target))
    }

    private static func watch(
        _ command: WatchCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try WatchRun(command: command, terminal: terminal)
            .run(deployment(command.target), shutdown: signals())
    }

    private static func actions(
        _ command: ActionsCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let program = try Checkout.ownExecutable()
        let (deployment, key) = try command.servers(environment, executable: program)
        return try ActionsRun(
            command: command, key: key, environment: environment, program: program,
            terminal: terminal, shutdown: signals()
        ).run(deployment)
    }

    private static func position(
        _ command: PositionCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try PositionRun(command: command, terminal: terminal).run(deployment(command.target))
    }

    private static func groups(
        _ command: GroupsCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try GroupsRun(command: command, terminal: terminal).run(deployment(command.target))
    }

    private static func watchlist(
        _ command: WatchlistCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try WatchlistRun(command: command, terminal: terminal).run(deployment(command.target))
    }

    private static func trade(
        _ command: TradeCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try TradeRun(command: command, terminal: terminal)
            .run(deployment(command.target), shutdown: signals())
    }

    private static func reading(
        _ command: ToolCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        switch command {
        case .bars(let command):
            return try command.run(deployment(command.target), terminal)
        case .rewritten(let command):
            return try command.run(deployment(command.target), terminal)
        case .gaps(let command):
            return try command.run(deployment(command.target), terminal)
        case .export(let command):
            return try ExportRun(command: command, terminal: terminal)
                .run(deployment(command.target), shutdown: signals())
        case .explain(let command):
            let deployment = try deployment(command.target)
            return try ExplainRun(command: command, terminal: terminal).run(
                deployment, deployment.proofGraph(ConfigurationFiles.environment()),
                shutdown: signals())
        case .quality(let command):
            return try command.run(deployment(command.target), terminal)
        case .reconcile(let command):
            return try command.run(deployment(command.target), terminal)
        case .database(let command):
            return try command.run(stackThatIsUp(command.target, terminal), terminal)
        case .logs(let command):
            return try command.run(stackThatIsUp(command.target, terminal), shutdown: signals)
        default: throw .usage("this is no command that reads")
        }
    }

    private static func recording(
        _ command: ToolCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        switch command {
        case .record(let command):
            return try RecordRun(command: command, terminal: terminal)
                .run(deployment(command.target), shutdown: signals())
        case .replay(let command):
            let programs = FileSystem.folder(of: try Checkout.ownExecutable())
            return try ReplayRun(
                command: command, terminal: terminal, program: "\(programs)/provider-gateway"
            ).run(deployment(command.target), shutdown: signals())
        case .load(let command):
            let programs = FileSystem.folder(of: try Checkout.ownExecutable())
            return try LoadRun(
                command: command, terminal: terminal,
                program: "\(programs)/\(StackPlan.gateway)", environment: environment
            ).run(deployment(command.target), shutdown: signals())
        default: throw .usage("this is no command about recordings")
        }
    }

    private static func deadLetters(
        _ command: DlqCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        return try DlqRun(command: command, terminal: terminal).run {
            () throws(ToolError) in try deployment(command.target)
        }
    }

    private static func spool(
        _ command: SpoolCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        switch command {
        case .list(let place, let asJSON):
            return try SpoolRun(terminal: terminal).list(place, asJSON: asJSON)
        case .replay(let command):
            let replay = SpoolReplay(
                command: command, folder: try SpoolRun.folder(command.place), terminal: terminal)
            return try replay.run(deployment(command.target), shutdown: signals())
        }
    }

    private static func deployment(_ target: TapeTarget) throws(ToolError) -> Deployment {
        try Deployment.find(
            target, environment: environment,
            executable: Checkout.ownExecutable())
    }

    private static func stack(
        _ target: ToolCommand.Target, _ terminal: Terminal,
        default name: String = StackHome.defaultName
    ) throws(ToolError) -> Stack {
        let executable = try Checkout.ownExecutable()
        let checkout = try Checkout.find(home: target.home, executable: executable)
        return try Stack(checkout: checkout, name: target.name ?? name, terminal: terminal)
    }

    /// Returns the stack for commands that only inspect it. Without a name this is the one that is
    /// up.
    private static func stackThatIsUp(
        _ target: ToolCommand.Target, _ terminal: Terminal
    ) throws(ToolError) -> Stack {
        let named = try stack(target, terminal)
        if target.name != nil { return named }
        return try Stack.up(in: named.checkout, terminal) ?? named
    }

    private static func signals() throws(ToolError) -> ShutdownSignal {
        do {
            return try ShutdownSignal.install()
        } catch {
            throw .runtime(error)
        }
    }
}
