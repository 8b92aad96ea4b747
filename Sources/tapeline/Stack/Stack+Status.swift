import Primitives
import ServiceRuntime

/// `tapeline status`: what runs where.
extension Stack {
    private static let probeTimeout: Duration = .seconds(1)

    /// Success only when everything works.
    func status(asJSON: Bool) throws(ToolError) -> ExitCode {
        let state = try StackState.read(home)
        let isUp = state.map { $0.isSupervised || !$0.alive.isEmpty } ?? false
        guard let state, isUp else {
            terminal.line(
                asJSON
                    ? "{\"stack\":\"\(home.name)\",\"up\":false,\"works\":false}"
                    : "the stack \(home.name) is not up: start it with 'tapeline up'")
            return .failure
        }
        let table = StatusTable(
            state: state, readiness: probe(state), providers: providers(state))
        if asJSON {
            terminal.line(table.json(stack: home.name))
        } else {
            for line in table.lines { terminal.line(line) }
            let told = ProviderTable(providers: table.providers).lines
            if !told.isEmpty { terminal.line() }
            for line in told { terminal.line(line) }
            if !state.isSupervised {
                terminal.line()
                terminal.line("the supervisor has died: nothing is restarted; run 'tapeline up'")
            }
        }
        return table.works ? .success : .failure
    }

    /// What each service says about itself: nil = ready.
    func probe(_ state: StackState) -> [String: String?] {
        var readiness: [String: String?] = [:]
        for unit in state.alive {
            guard let port = unit.operationsPort else { continue }
            readiness[unit.name] = .some(
                UnitPlan.problem(at: port, path: "/readyz", timeout: Stack.probeTimeout))
        }
        return readiness
    }
}

extension Stack {
    /// What its gateways say of where their ticks come from; nothing of one that does not answer.
    func providers(_ state: StackState) -> [ProviderView] {
        let gateways = state.alive.filter { $0.name == "provider-gateway" }
        return gateways.compactMap(\.operationsPort).flatMap { port in
            OperationsPage.status(port, timeout: Stack.probeTimeout).map(ProviderView.all) ?? []
        }
    }
}

/// A stack as a table or as JSON. `readiness` has, for each service that was asked, what keeps it
/// from being ready.
struct StatusTable {
    let state: StackState
    let readiness: [String: String?]
    var providers: [ProviderView] = []

    private struct Row {
        let unit: StackState.Unit
        let state: String
        let detail: String
        let works: Bool
    }

    var works: Bool {
        state.isSupervised && state.phase == .running && rows.allSatisfy(\.works)
            && providers.allSatisfy(\.isConnected)
    }

    private var rows: [Row] {
        state.units.filter { $0.kind != .job }.map { unit in
            guard unit.process?.isAlive == true else {
                let word = ["restarting", "gave up", "waiting"].contains(unit.state)
                return Row(
                    unit: unit, state: word ? unit.state : "dead", detail: unit.detail, works: false
                )
            }
            if case .some(.some(let problem)) = readiness[unit.name] {
                return Row(unit: unit, state: unit.state, detail: problem, works: false)
            }
            return Row(
                unit: unit, state: unit.state, detail: unit.address, works: unit.state == "works")
        }
    }

    var lines: [String] {
        let head =
            "\("PROCESS".padded(to: 18)) \("STATE".padded(to: 11)) "
            + "\("PID".padded(to: 8)) \("RESTARTS".padded(to: 8)) WHERE"
        return [head]
            + rows.map { row in
                let id = row.unit.process.map { "\($0.id)" } ?? "-"
                return "\(row.unit.name.padded(to: 18)) \(row.state.padded(to: 11)) "
                    + "\(id.padded(to: 8)) \("\(row.unit.restarts)".padded(to: 8)) \(row.detail)"
            }
    }

    func json(stack: String) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("stack", stack)
            writer.member("up", true)
            writer.member("works", works)
            writer.member("supervised", state.isSupervised)
            writer.member("phase", state.phase.rawValue)
            writer.member("started", state.started.description)
            writer.member(
                "processes",
                array: { writer in
                    for row in rows { write(row, &writer) }
                })
            writer.member(
                "providers", array: { ProviderTable(providers: providers).write(into: &$0) })
        }
        return writer.text
    }

    private func write(_ row: Row, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", row.unit.name)
            writer.member("kind", row.unit.kind.rawValue)
            writer.member("state", row.state)
            writer.member("works", row.works)
            writer.member("detail", row.detail)
            if let process = row.unit.process { writer.member("pid", process.id) }
            writer.member("restarts", row.unit.restarts)
            if let port = row.unit.operationsPort { writer.member("operationsPort", port) }
            writer.member("log", row.unit.log)
        }
    }
}
