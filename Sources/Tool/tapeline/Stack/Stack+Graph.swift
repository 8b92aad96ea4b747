internal import Glibc
import GraphLanguage
import OperatorGraph
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// `tapeline graph check|apply FILE`: looks at a graph, or gives it to the workers of a stack.
struct GraphCommand: ToolCommand {
    enum Verb: String, CaseIterable { case check, apply }

    let path: String
    var target = StackTarget()
    var isConfirmed = false
    var verb = Verb.apply

    static let page = CommandPage(
        "graph", .choice, "check a graph, or give it to the workers of a stack", on: .stack,
        """
        graph check FILE
            print a graph as text and as Mermaid, or all that is wrong with it (64)
        graph apply FILE
            give the workers of a stack another graph: check it, say which series change, ask, raise
            OPERATOR_GENERATION by one, start the workers again, and end when they make bars by it.
            1: they do not, or nobody agreed
        --yes
            apply: do not ask
        $ printf '%s\\n' 'version: 1' 'name: mine' 'nodes:' \\
            '  sane: {operator: filter, input: trades, where: "size > 0"}' \\
            '  bars: {operator: bars, input: sane, series: [1s, 5m]}' > my.yaml
        $ tapeline graph check my.yaml
        $ tapeline graph apply my.yaml --name mine
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> GraphCommand {
        GraphCommand(
            path: given.words[0], target: try StackTarget(given), isConfirmed: given.isConfirmed,
            verb: try given.verbCase())
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        if verb == .check { return try check(tool.terminal) }
        return try tool.stackThatIsUp(target).apply(self, shutdown: tool.signals())
    }

    /// As `operator-worker --check-graph` does, which knows the custom operators of its program.
    private func check(_ terminal: Terminal) throws(ToolError) -> ExitCode {
        do throws(ToolError) {
            let drawing = GraphDrawing(try ProofGraph.program(path).definition)
            terminal.line("\(drawing.text)\n```mermaid\n\(drawing.mermaid)```")
            return .success
        } catch {
            guard case .configuration(let problems) = error else { throw error }
            for problem in problems { terminal.problem(problem) }
            return .usage
        }
    }
}

extension Stack {
    /// How long workers may take to end, and how long until they are ready again.
    private static let workersTimeout: Duration = .seconds(60)
    private static let workersEvery: Duration = .milliseconds(200)

    /// Returns success when the workers make bars by the new graph, or do so already.
    func apply(_ command: GraphCommand, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard let path = FileSystem.resolved(command.path) else {
            throw .usage("there is no file '\(command.path.prefix(200))'")
        }
        _ = try working(path)
        return try locked { () throws(ToolError) in
            let state = try working(path)
            let settings = try StackSettings(of: state.arguments)
            let kept = try keptGraph(of: settings)
            var changed = StackSettings()
            try changed.add("\(ProofGraph.graphKey)=\(path)")
            let before = try kept.program()
            let after = try readGraph(of: settings.merging(changed), "nothing was changed")
                .program()
            let isSame = before.hash == after.hash
            if isSame, kept.isWhatRuns(by: settings) {
                terminal.line("the graph makes the same as the one that runs: nothing was changed")
                let problems = WorkerReport.problems(
                    workers(state).map(Self.report),
                    WorkerReport.Wanted(
                        graph: before.hash, generation: kept.generation,
                        partitions: try partitions(of: settings)))
                for problem in problems { terminal.problem(problem) }
                return problems.isEmpty ? .success : .failure
            }
            let present = max(kept.generation, KeptGraph.generation(of: settings))
            let generation =
                isSame ? kept.generation : present.addingReportingOverflow(1).partialValue
            try changed.add("\(KeptGraph.generationKey)=\(generation)")
            try requireTaken(settings.merging(changed))
            if isSame {
                terminal.line(
                    "The workers of the stack \(home.name) were started with another graph. They "
                        + "start again with the one that made the bars, as generation "
                        + "\(generation).")
            } else {
                tell(GraphChange(from: before.definition, to: after.definition), of: path)
                terminal.line(
                    "The workers of the stack \(home.name) start again, as generation "
                        + "\(generation): what is stored stays, and what they make begins after "
                        + "it.")
            }
            guard try Confirmation.ask("Apply it?", isGiven: command.isConfirmed, terminal) else {
                return .failure
            }
            let graph = try KeptGraph(of: settings.merging(changed))
            try graph.writeFiles(home, settings.namespace)
            try StackChange(supervisor: state.supervisor, settings: changed).write(home)
            try graph.write(home, settings.namespace)
            let wanted = WorkerReport.Wanted(
                graph: try graph.program().hash, generation: generation,
                partitions: try partitions(of: settings))
            return try restartWorkers(state, wanted, shutdown)
        }
    }

    private func tell(_ change: GraphChange, of path: String) {
        terminal.line("bars and values of \(path):")
        for line in change.lines { terminal.line(line) }
        if change.isEmpty {
            terminal.line(
                "None of them changes, but nodes have other names or another order, and so it is "
                    + "another definition to the workers.")
        }
    }

    /// Reads the graph of these settings as its files are now. What is wrong with them is said with
    /// the outcome.
    func readGraph(
        of settings: StackSettings, _ outcome: String
    ) throws(ToolError) -> KeptGraph {
        do throws(ToolError) {
            return try KeptGraph(of: settings)
        } catch {
            guard case .configuration(let problems) = error else { throw error }
            throw refusal(problems, outcome)
        }
    }

    /// Throws if a worker would not take these settings.
    private func requireTaken(_ settings: StackSettings) throws(ToolError) {
        let plan = try plan(
            UpOptions(settings: settings), StackSources.read(home),
            ports: StackPorts.present(home))
        guard let worker = plan.units.first(where: { $0.name.hasPrefix(StackPlan.worker) }) else {
            return
        }
        let check = ConfigurationCheck(worker, logPath: home.log("configuration"))
        let problems = try check.outcome().problems
        guard problems.isEmpty else { throw refusal(problems, "nothing was changed") }
    }

    /// Prints the problems, and returns the error that counts them.
    func refusal(_ problems: [String], _ outcome: String) -> ToolError {
        for problem in problems { terminal.problem(problem) }
        let count = "\(problems.count) problem\(problems.count == 1 ? "" : "s")"
        return .usage("\(count) in the configuration: \(outcome)")
    }

    private func partitions(of settings: StackSettings) throws(ToolError) -> Int {
        try ToolConfiguration(
            settings.environment(for: .all).filter { $0.key == "MDS_PARTITIONS" }, natsURL: nil
        ).tape.names.partitions
    }

    /// Throws if the stack has bars, and workers with these settings would refuse to go on with
    /// them. What is wrong with the files is left to the services, unless `isStrict`.
    func requireSameGraph(
        _ settings: StackSettings, isStrict: Bool = false
    ) throws(ToolError) {
        // Workers start from the kept copy, whatever became of the files.
        if home.hasData, let kept = try KeptGraph.read(home, settings.namespace),
            kept.isWhatRuns(by: settings), KeptGraph.copy(home, for: settings) != nil
        {
            return
        }
        let graph: KeptGraph
        do throws(ToolError) {
            graph = try KeptGraph(of: settings)
        } catch {
            guard isStrict, case .configuration(let problems) = error else { return }
            throw refusal(problems, "nothing was changed")
        }
        guard home.hasData, let kept = try KeptGraph.read(home, settings.namespace),
            kept.generation == graph.generation, !kept.isNamed(by: settings),
            try kept.program().hash != graph.program().hash
        else { return }
        let next = graph.generation.addingReportingOverflow(1).partialValue
        throw .usage(
            "the bars of the stack \(home.name) are made by another graph or other series, as "
                + "generation \(graph.generation), which workers would refuse to mix: nothing was "
                + "started. '--set \(KeptGraph.generationKey)=\(next)' beside it begins new ones "
                + "after them")
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

    /// Ends the workers, which the supervisor starts again with the settings that were noted, and
    /// waits until they own all partitions and make bars by the graph.
    private func restartWorkers(
        _ state: StackState, _ wanted: WorkerReport.Wanted, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let clock = SystemClock()
        let begin = clock.monotonic()
        let old = workers(state)
        for worker in old { _ = worker.process?.signal(worker.stopSignal) }
        var deadline = clock.deadline(after: Self.workersTimeout)
        let last = clock.deadline(after: Stack.upTimeout)
        var problems = old.map(\.name)
        var isTold = false
        while true {
            let now = try StackState.read(home) ?? state
            problems = WorkerReport.problems(reports(of: old, in: now), wanted)
            if problems.isEmpty || clock.remaining(until: deadline) <= .zero { break }
            if shutdown.wait(timeout: Self.workersEvery) { break }
            guard makesBarsAnew(now) else { continue }
            if !isTold { terminal.line("workers make bars anew from the tape: waiting for them") }
            isTold = true
            deadline = min(last, clock.deadline(after: Self.workersTimeout))
        }
        let passed = clock.monotonic().duration(since: begin)
        for problem in problems { terminal.problem(problem) }
        terminal.line(
            problems.isEmpty
                ? "the workers make bars by it (\(passed.shown))"
                : "the workers were started with it, and do not make bars by it after "
                    + "\(passed.shown)")
        return problems.isEmpty ? .success : .failure
    }

    /// Asks the successors of these processes, and the workers beside them.
    private func reports(
        of old: [StackState.Unit], in state: StackState
    ) -> [WorkerReport] {
        let names = Set(old.map(\.name))
        // One that was down comes back with the change, and owns its share.
        let others = workers(state).filter { !names.contains($0.name) }
        return old.map { before in
            guard let now = state.units.first(where: { $0.name == before.name }),
                now.process?.isAlive == true, now.process != before.process
            else { return WorkerReport(name: before.name, problem: "it has not started again") }
            return Self.report(now)
        } + others.map(Self.report)
    }

    private static func report(_ worker: StackState.Unit) -> WorkerReport {
        guard let port = worker.operationsPort else {
            return WorkerReport(name: worker.name, problem: "it has no page yet")
        }
        return WorkerReport(
            name: worker.name, OperationsPage.status(port, timeout: pageTimeout))
    }

    private static let pageTimeout: Duration = .seconds(1)
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
