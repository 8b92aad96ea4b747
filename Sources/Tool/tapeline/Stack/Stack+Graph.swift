internal import Glibc
import OperatorGraph
import Primitives
import ServiceRuntime

/// `tapeline graph apply FILE`: gives the workers of a stack another graph.
struct GraphCommand: ToolCommand {
    let path: String
    var target = StackTarget()
    var isConfirmed = false

    static let page = CommandPage(
        "graph", .choice, "give the workers of a stack another graph", on: .stack,
        """
        graph apply FILE
            give the workers of a stack another graph: say which series change, ask, raise
            OPERATOR_GENERATION by one, start the workers again, and end when they are ready. 1:
            they are not, or nobody agreed
        --yes
            do not ask
        $ tapeline graph apply my.yaml --name mine
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> GraphCommand {
        GraphCommand(
            path: given.words[0], target: try StackTarget(given), isConfirmed: given.isConfirmed)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try tool.stackThatIsUp(target).apply(self, shutdown: tool.signals())
    }
}

extension Stack {
    /// How long workers may take to end, and how long until they are ready again.
    private static let workersTimeout: Duration = .seconds(60)
    private static let workersEvery: Duration = .milliseconds(200)

    /// Returns success when the workers with the new graph are ready, or run it already.
    func apply(_ command: GraphCommand, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard let path = FileSystem.resolved(command.path) else {
            throw .usage("there is no file '\(command.path.prefix(200))'")
        }
        _ = try working(path)
        return try locked { () throws(ToolError) in
            let state = try working(path)
            let settings = try StackSettings(of: state.arguments)
            let kept = try keptGraph(of: settings)
            let present = max(kept.generation, KeptGraph.generation(of: settings))
            let generation = present.addingReportingOverflow(1).partialValue
            var changed = StackSettings()
            try changed.add("\(ProofGraph.graphKey)=\(path)")
            try changed.add("\(KeptGraph.generationKey)=\(generation)")
            let graph = try KeptGraph(of: settings.merging(changed))
            let (before, after) = (try kept.program(), try graph.program())
            guard before.hash != after.hash else {
                terminal.line("the graph makes the same as the one that runs: nothing was changed")
                return .success
            }
            let change = GraphChange(from: before.definition, to: after.definition)
            terminal.line("bars and values of \(path):")
            for line in change.lines { terminal.line(line) }
            if change.isEmpty {
                terminal.line(
                    "None of them changes, but nodes have other names or another order, and so it "
                        + "is another definition to the workers.")
            }
            terminal.line(
                "The workers of the stack \(home.name) start again, as generation \(generation): "
                    + "what is stored stays, and what they make begins after it.")
            guard try Confirmation.ask("Apply it?", isGiven: command.isConfirmed, terminal) else {
                return .failure
            }
            try graph.writeFiles(home, settings.namespace)
            try StackChange(supervisor: state.supervisor, settings: changed).write(home)
            try graph.write(home, settings.namespace)
            return try restartWorkers(state, shutdown)
        }
    }

    /// Returns the graph that workers with these settings were started with.
    private func keptGraph(of settings: StackSettings) throws(ToolError) -> KeptGraph {
        if let kept = try KeptGraph.read(home, settings.namespace) { return kept }
        return try KeptGraph(of: settings)
    }

    /// Returns the state of the stack, or throws if no workers of it run.
    private func working(_ path: String) throws(ToolError) -> StackState {
        guard let state = try StackState.read(home), state.isSupervised, state.phase == .running,
            !workers(state).isEmpty
        else {
            throw .refused(
                "the stack \(home.name) has no workers that run: start it with "
                    + "'\(home.command("up")) --set \(ProofGraph.graphKey)=\(path)'")
        }
        return state
    }

    /// Keeps the graph that workers are started with. Bars of one generation are of one graph, so
    /// another one of the same generation, which the workers refuse, is not kept; and files that
    /// were edited are not read again.
    func keepGraph(of settings: StackSettings, hasBars: Bool) throws(ToolError) {
        let generation = KeptGraph.generation(of: settings)
        if hasBars, let kept = try KeptGraph.read(home, settings.namespace),
            generation <= kept.generation
        {
            guard generation == kept.generation else { return }
            if kept.isNamed(by: settings) { return tellEdits(of: kept, settings) }
            guard try KeptGraph(of: settings).program().hash == kept.program().hash else { return }
        }
        let graph = try KeptGraph(of: settings)
        try graph.writeFiles(home, settings.namespace)
        try graph.write(home, settings.namespace)
    }

    /// Returns the copy of the graph's file for workers of a stack with bars; `nil` if they are to
    /// read the file itself. The copies are written again, because a stack may have moved.
    func keptCopy(for settings: StackSettings) throws(ToolError) -> String? {
        if let kept = try KeptGraph.read(home, settings.namespace),
            kept.generation == KeptGraph.generation(of: settings), kept.isNamed(by: settings)
        {
            try kept.writeFiles(home, settings.namespace)
        }
        return KeptGraph.copy(home, for: settings)
    }

    /// Says that the files are no longer the graph that runs.
    private func tellEdits(of kept: KeptGraph, _ settings: StackSettings) {
        let isSame: Bool
        do throws(ToolError) {
            isSame = try KeptGraph(of: settings).program().hash == kept.program().hash
        } catch {
            // What is wrong with them is said to whoever applies them.
            isSame = false
        }
        guard !isSame else { return }
        guard let path = settings[ProofGraph.graphKey] else { return }
        terminal.line(
            "\(path) is no longer the graph that runs: the workers go on with that of before "
                + "('\(home.command("graph apply \(path)"))' gives them this one)")
    }

    private func workers(_ state: StackState) -> [StackState.Unit] {
        state.alive.filter { $0.name.hasPrefix(StackPlan.worker) }
    }

    /// Ends the workers, which the supervisor starts again with the settings that were noted.
    private func restartWorkers(
        _ state: StackState, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let begin = SystemClock().monotonic()
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

    /// Returns the change for this supervisor, if there is one.
    static func read(
        _ home: StackHome, of supervisor: ProcessIdentity
    ) throws(ToolError) -> StackChange? {
        guard let bytes = try FileSystem.read(home.change) else { return nil }
        guard let json = parsedJSON(bytes),
            let owner = json["supervisor"].flatMap(StackState.process)
        else { throw .damaged(path: home.change, problem: "no change of a stack") }
        guard owner == supervisor else { return nil }
        var settings = StackSettings()
        for text in json["settings"]?.array ?? [] { try settings.add(text.string ?? "") }
        return StackChange(supervisor: supervisor, settings: settings)
    }

    func write(_ home: StackHome) throws(ToolError) {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("supervisor")
            StackState.write(supervisor, &writer)
            writer.array("settings") { writer in
                for (key, value) in settings.values { writer.value("\(key)=\(value)") }
            }
        }
        try FileSystem.write(writer.bytes + Array("\n".utf8), to: home.change)
    }
}
