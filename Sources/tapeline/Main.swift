internal import Glibc
import ServiceRuntime

@main
enum Main {
    static func main() {
        let terminal = Terminal()
        do {
            let code = try run(
                ToolCommand.parse(Array(CommandLine.arguments.dropFirst())), terminal)
            exit(code.rawValue)
        } catch {
            terminal.problem("\(error)")
            exit(error.exitCode.rawValue)
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
        case .help: return say(HelpPage.text, terminal)
        case .recordingHelp: return say(ReplayHelp.text, terminal)
        case .version: return say("tapeline \(HelpPage.version)", terminal)
        case .up(let target, let options):
            let stack = try stack(target, terminal)
            return try stack.up(options, shutdown: signals())
        case .down(let target): return try stack(target, terminal).down()
        case .status(let target, let asJSON):
            return try stack(target, terminal).status(asJSON: asJSON)
        case .audit(let target, let asJSON): return try audit(target, asJSON, terminal)
        case .demo(let target, let options):
            let stack = try stack(target, terminal, default: ToolCommand.Target.demoName)
            return try stack.demo(options, shutdown: signals())
        case .tail(let command):
            let deployment = try deployment(command.target)
            if command.isLive {
                return try LiveTail(command, terminal).run(deployment, shutdown: signals())
            }
            return try TailRun(command, terminal).run(deployment, shutdown: signals())
        case .tape(let command):
            return try TapeRun(command: command, terminal: terminal)
                .run(deployment(command.target), shutdown: signals())
        case .position(let command):
            return try PositionRun(command: command, terminal: terminal)
                .run(deployment(command.target))
        case .groups(let command):
            return try GroupsRun(command: command, terminal: terminal)
                .run(deployment(command.target))
        case .partition(.of(let question)): return say(question.answer, terminal)
        case .partition(.rebuild(let command)):
            return try command.run(
                deployment(command.target), shutdown: signals(), terminal)
        case .members(let command):
            return try command.run(deployment(command.target), terminal)
        case .watch(let command):
            return try WatchRun(command: command, terminal: terminal)
                .run(deployment(command.target), shutdown: signals())
        case .spool(let command): return try spool(command, terminal)
        case .repair(let command):
            return try RepairRun(command: command, terminal: terminal)
                .run(deployment(command.target), shutdown: signals())
        case .deadLetters(let command): return try deadLetters(command, terminal)
        case .prove(let command): return try prove(command, terminal)
        case .record, .replay: return try recording(command, terminal)
        case .supervise(let target, let options):
            let stack = try stack(target, terminal)
            return try stack.supervise(options, shutdown: signals())
        }
    }

    /// Of the local stack, unless the environment names servers.
    private static func audit(
        _ target: ToolCommand.Target, _ asJSON: Bool, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let environment = ConfigurationFiles.environment()
        let namesServers = environment["NATS_URL"]?.isEmpty == false
        guard target.name == nil, target.home == nil, namesServers else {
            return try stack(target, terminal).audit(asJSON: asJSON)
        }
        let script = try AuditScript.find(executable: Checkout.ownExecutable())
        return try deployment(TapeTarget()).audit(script, environment)
            .tell(terminal, asJSON: asJSON)
    }

    private static func prove(
        _ command: ProveCommand, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        try ProveRun(command: command, terminal: terminal).run(
            deployment(command.target), ProofGraph.find(ConfigurationFiles.environment()),
            shutdown: signals())
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
            target, environment: ConfigurationFiles.environment(),
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

    private static func signals() throws(ToolError) -> ShutdownSignal {
        do {
            return try ShutdownSignal.install()
        } catch {
            throw .runtime(error)
        }
    }
}
