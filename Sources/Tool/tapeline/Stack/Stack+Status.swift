import DeploymentWatch
import Primitives
import ServiceRuntime

/// `tapeline status`: the processes of a stack and their states.
extension Stack {
    /// Returns success only if everything works.
    func status(asJSON: Bool) throws(ToolError) -> ExitCode {
        let state = try StackState.read(home)
        let isUp = state.map { $0.isSupervised || !$0.alive.isEmpty } ?? false
        guard let state, isUp else {
            terminal.line(
                asJSON
                    ? "{\"stack\":\"\(home.name)\",\"up\":false,\"works\":false}"
                    : "the stack \(home.name) is not up: start it with '\(home.command("up"))'")
            return .failure
        }
        let table = try table(state)
        if asJSON {
            terminal.line(table.json(stack: home.name))
        } else {
            show(table)
            if !state.isSupervised {
                terminal.line()
                terminal.line(
                    "the supervisor has died: nothing is restarted; run '\(home.command("up"))'")
            }
            terminal.line()
            for line in try lookHints(state) { terminal.line(line) }
            let isSent = state.units.contains { $0.name == StackPlan.alertmanager }
            terminal.line(
                StackPlan.alertHint(isSent, home, isPackage: checkout.places.isPackage))
            terminal.line(table.verdict)
        }
        return table.works ? .success : .failure
    }

    private func lookHints(_ state: StackState) throws(ToolError) -> [String] {
        try cockpitAddress(state).map { StackPlan.lookHints($0, home) } ?? []
    }

    /// Returns where its pages are; `nil` for a stack without them.
    func cockpitAddress(_ state: StackState) throws(ToolError) -> String? {
        guard state.units.contains(where: { $0.name == StackPlan.cockpit }) else { return nil }
        let settings = try StackSettings().following(state.arguments)
        return StackPlan.cockpitAddress(try StackPorts.present(home), settings["COCKPIT_PORT"])
    }

    func show(_ table: StatusTable) {
        for line in table.lines { terminal.line(line) }
        let feeds = ProviderTable(providers: table.providers).lines
        if !feeds.isEmpty { terminal.line() }
        for line in feeds { terminal.line(line) }
    }
}

/// A stack's state as a table or as JSON. `answers` holds what each service that was asked says.
struct StatusTable {
    let state: StackState
    let answers: [String: UnitPlan.Answer]
    var providers: [ProviderView] = []

    private struct Row {
        let unit: StackState.Unit
        let state: String
        let detail: String
        let works: Bool
    }

    var works: Bool { problems.isEmpty }

    /// One line that reports whether everything works, and if not, what does not.
    var verdict: String {
        guard works else { return "not everything works: \(problems.joined(separator: "; "))" }
        let degraded = rows.filter { $0.state == Self.degraded }.map(\.unit.name)
        guard !degraded.isEmpty else { return "everything works" }
        return "everything works, but not all of \(degraded.joined(separator: ", "))"
    }

    private static let degraded = "degraded"

    private var problems: [String] {
        var problems: [String] = []
        if !state.isSupervised { problems.append("the supervisor has died") }
        if state.isSupervised, state.phase != .running {
            problems.append("the stack is \(state.phase.rawValue)")
        }
        problems += rows.filter { !$0.works }.map { "\($0.unit.name) is \($0.state)" }
        for provider in providers {
            if !provider.isConnected {
                problems.append("\(provider.name) is not connected")
            } else if !provider.delivers {
                problems.append("no feed of \(provider.name) delivers")
            }
        }
        return problems
    }

    private var rows: [Row] {
        state.units.filter { $0.kind != .job }.map { unit in
            guard unit.process?.isAlive == true else {
                let word = ["restarting", "gave up", "waiting"].contains(unit.state)
                return Row(
                    unit: unit, state: word ? unit.state : "dead", detail: unit.detail, works: false
                )
            }
            let answer = answers[unit.name]
            if let problem = answer?.problem {
                let isSilent = problem == UnitPlan.noAnswer
                return Row(
                    unit: unit, state: isSilent ? "silent" : "not ready",
                    detail: isSilent ? "it does not answer" : problem, works: false)
            }
            let works = unit.state == "works"
            if works, let lacks = answer?.degraded {
                return Row(unit: unit, state: Self.degraded, detail: lacks, works: true)
            }
            return Row(unit: unit, state: unit.state, detail: unit.address, works: works)
        }
    }

    private var processes: ReportRows<Row> {
        ReportRows(
            rows,
            [
                ReportColumn("PROCESS", "name") { .text($0.unit.name) },
                ReportColumn("", "kind") { .text($0.unit.kind.rawValue) },
                ReportColumn("STATE", "state") { .text($0.state) },
                ReportColumn("", "works") { .flag($0.works) },
                ReportColumn("PID", "pid") {
                    $0.unit.process.map { ReportValue.number($0.id) } ?? .absent
                },
                ReportColumn("RESTARTS", "restarts") { .number($0.unit.restarts) },
                ReportColumn("WHERE", "detail", shown: { $0.detail }) { .text($0.detail) },
                ReportColumn("", "operationsPort") {
                    $0.unit.operationsPort.map { ReportValue.number($0) } ?? .absent
                },
                ReportColumn("", "log") { .text($0.unit.log) },
            ])
    }

    var lines: [String] { processes.table }

    func json(stack: String) -> String {
        JSONWriter.made { writer in
            writer.member("stack", stack)
            writer.member("up", true)
            writer.member("works", works)
            writer.member("verdict", verdict)
            writer.member("supervised", state.isSupervised)
            writer.member("phase", state.phase.rawValue)
            writer.member("started", state.started.description)
            writer.member("processes", rows: processes)
            writer.array("providers") { ProviderTable(providers: providers).write(into: &$0) }
        }.text
    }
}
