import Primitives
import ServiceRuntime

/// `tapeline logs`: the logs of a local stack's processes, in the order of time.
struct LogsCommand: ToolCommand {
    var target = StackTarget()
    /// The processes to show; empty means all. `operator-worker` means all whose name begins so.
    var processes: [String] = []
    var last = Self.lastLines
    var follows = false
    /// `nil` means every line, including those of servers, which have other levels.
    var level: LogLevel?

    static let lastLines = 20
    private static let lastRange = 0...100_000
    private static let lookEvery: Duration = .milliseconds(200)

    static let page = CommandPage(
        "logs", .stack, "what the processes say", on: .stack,
        """
        logs [PROCESS...]
            what the processes say, in the order of time: all of them, or those whose names begin so
            (operator-worker). Without --follow the last lines of each
        -f, --follow
            go on with what they say next
        --last N
            lines of each process, 20 if not given
        --level LEVEL
            only lines of our programs of at least this level: debug, info, warning, error
        $ tapeline logs -f store-writer
        $ tapeline logs --level warning --last 100
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> LogsCommand {
        var command = LogsCommand(target: try StackTarget(given), processes: given.words)
        command.last = try given.integer("--last", in: lastRange) ?? lastLines
        command.follows = given.has("--follow") || given.has("-f")
        if let name = try given.one("--level") {
            guard let level = LogLevel.allCases.first(where: { $0.name == name }) else {
                let names = LogLevel.allCases.map(\.name).joined(separator: ", ")
                throw .usage("--level wants one of \(names), not '\(name.prefix(20))'")
            }
            command.level = level
        }
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try run(tool.stackThatIsUp(target), shutdown: tool.signals)
    }

    func run(
        _ stack: Stack, shutdown: () throws(ToolError) -> ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let ending = ".log"
        let logs = FileSystem.names(in: stack.home.logs).filter { $0.hasSuffix(ending) }.sorted()
            .map { (process: String($0.dropLast(ending.count)), path: "\(stack.home.logs)/\($0)") }
        guard !logs.isEmpty else {
            throw .usage(
                "the stack \(stack.home.name) has no logs: '\(stack.home.command("up"))' starts it")
        }
        var readers = try chosen(logs).map { LogReader(process: $0.process, path: $0.path) }
        show(readers.indices.flatMap { readers[$0].last(last) }, stack.terminal)
        guard follows else { return .success }
        let shutdown = try shutdown()
        while !shutdown.wait(timeout: Self.lookEvery) {
            show(readers.indices.flatMap { readers[$0].added() }, stack.terminal)
        }
        return .success
    }

    func chosen(
        _ logs: [(process: String, path: String)]
    ) throws(ToolError) -> [(process: String, path: String)] {
        guard !processes.isEmpty else { return logs }
        for name in processes where !logs.contains(where: { $0.process.hasPrefix(name) }) {
            let names = logs.map(\.process)
            let near = NearestName.of(name, in: names).map { ": did you mean \($0)?" }
            throw .usage(
                "the stack has no process '\(name.prefix(64))'"
                    + (near ?? " (\(names.joined(separator: ", ")))"))
        }
        return logs.filter { log in processes.contains { log.process.hasPrefix($0) } }
    }

    func show(_ entries: [LogEntry], _ terminal: Terminal) {
        for entry in entries.merged() where isWanted(entry) { terminal.line(entry.shown) }
    }

    private func isWanted(_ entry: LogEntry) -> Bool {
        guard let level else { return true }
        return entry.level.map { $0 >= level } ?? false
    }
}
