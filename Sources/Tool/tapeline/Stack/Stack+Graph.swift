internal import Glibc
import OperatorGraph
import Primitives
import ServiceRuntime

/// `tapeline graph apply FILE`: gives the workers of a stack another graph.
struct GraphCommand: Equatable, Sendable {
    let path: String
    var target = ToolCommand.Target()
    var isConfirmed = false

    static func parse(_ arguments: [String]) throws(ToolError) -> GraphCommand {
        guard arguments.first == "apply" else {
            throw .usage("'tapeline graph' wants 'apply' and the FILE of a graph")
        }
        let given = try CommandArguments(
            "graph apply", Array(arguments.dropFirst()),
            .init(values: ["--home", "--name"], flags: ["--yes"]))
        try given.requireWords(1, "the file of a graph")
        return GraphCommand(
            path: given.words[0],
            target: ToolCommand.Target(
                home: try given.one("--home"), name: try given.one("--name")),
            isConfirmed: given.has("--yes"))
    }
}

extension Stack {
    static let generationKey = "OPERATOR_GENERATION"
    /// How long workers may take to end, and how long until they are ready again.
    private static let workersTimeout: Duration = .seconds(60)
    private static let workersEvery: Duration = .milliseconds(200)

    /// Returns success when the workers with the new graph are ready, or run it already.
    func apply(_ command: GraphCommand, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard let path = FileSystem.resolved(command.path) else {
            throw .usage("there is no file '\(command.path.prefix(200))'")
        }
        return try locked { () throws(ToolError) in
            guard let state = try StackState.read(home), state.isSupervised,
                state.phase == .running, !workers(state).isEmpty
            else {
                throw .refused(
                    "the stack \(home.name) has no workers that run: start it with "
                        + "'\(home.command("up")) --set \(ProofGraph.graphKey)=\(path)'")
            }
            let before = try StackSettings().following(state.arguments)
            let change = GraphChange(
                from: try ProofGraph.find(Deployment.operators(state.arguments)).definition,
                to: try ProofGraph.find([ProofGraph.graphKey: path]).definition)
            if change.isEmpty {
                terminal.line("the graph makes the same as the one that runs: nothing was changed")
                if before[ProofGraph.graphKey].flatMap(FileSystem.resolved) == path {
                    terminal.line(
                        "It is the file that the workers were started with: if you have edited it "
                            + "since, give it another name, and apply that.")
                }
                return .success
            }
            let generation = (before[Self.generationKey].flatMap { UInt32($0) } ?? 1) &+ 1
            var settings = StackSettings()
            try settings.add("\(ProofGraph.graphKey)=\(path)")
            try settings.add("\(Self.generationKey)=\(generation)")
            terminal.line("bars and values of \(path):")
            for line in change.lines { terminal.line(line) }
            terminal.line(
                "The workers of the stack \(home.name) start again, as generation \(generation): "
                    + "what is stored stays, and what they make begins after it.")
            guard try Confirmation.ask("Apply it?", isGiven: command.isConfirmed, terminal) else {
                terminal.line("nothing was changed")
                return .failure
            }
            return try restartWorkers(state, with: settings, shutdown)
        }
    }

    private func workers(_ state: StackState) -> [StackState.Unit] {
        state.alive.filter { $0.name.hasPrefix(StackPlan.worker) }
    }

    /// Notes the settings for the supervisor, which starts with them what ends from now on.
    private func restartWorkers(
        _ state: StackState, with settings: StackSettings, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let begin = SystemClock().monotonic()
        try StackChange(supervisor: state.supervisor, settings: settings).write(home)
        let old = workers(state)
        for worker in old { _ = worker.process?.signal(worker.stopSignal) }
        let deadline = SystemClock().deadline(after: Self.workersTimeout)
        var problems = old.map(\.name)
        repeat {
            let table = try table(try StackState.read(home) ?? state)
            problems = table.problems(of: old)
        } while !problems.isEmpty && SystemClock().remaining(until: deadline) > .zero
            && !shutdown.wait(timeout: Self.workersEvery)
        let passed = SystemClock().monotonic().duration(since: begin)
        for problem in problems { terminal.problem(problem) }
        terminal.line(
            problems.isEmpty
                ? "the workers are ready with it (\(passed.shown))"
                : "the workers have it, and are not ready after \(passed.shown)")
        return problems.isEmpty ? .success : .failure
    }
}

extension StatusTable {
    /// Returns what keeps the successors of these processes from being ready.
    func problems(of old: [StackState.Unit]) -> [String] {
        old.compactMap { before in
            guard let now = state.units.first(where: { $0.name == before.name }),
                now.process?.isAlive == true, now.process != before.process
            else { return "\(before.name) has not started again" }
            switch readiness[now.name] {
            case .some(.none): return nil
            case .some(.some(let problem)): return "\(now.name): \(problem)"
            case nil: return "\(now.name) was not asked"
            }
        }
    }
}

/// Settings with which a supervisor starts what ends from now on: a file of the stack. It is for
/// the supervisor that it names, so it means nothing after the next `up`.
struct StackChange: Equatable {
    let supervisor: ProcessIdentity
    let settings: StackSettings

    static func read(_ home: StackHome) throws(ToolError) -> StackChange? {
        guard let bytes = try FileSystem.read(home.change), let json = parsedJSON(bytes),
            let supervisor = json["supervisor"].flatMap(StackState.process)
        else { return nil }
        var settings = StackSettings()
        for text in json["settings"]?.array ?? [] { try settings.add(text.string ?? "") }
        return StackChange(supervisor: supervisor, settings: settings)
    }

    func write(_ home: StackHome) throws(ToolError) {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("supervisor")
            StackState.write(supervisor, &writer)
            writer.member(
                "settings",
                array: { writer in
                    for (key, value) in settings.values { writer.value("\(key)=\(value)") }
                })
        }
        try FileSystem.write(writer.bytes + Array("\n".utf8), to: home.change)
    }
}
