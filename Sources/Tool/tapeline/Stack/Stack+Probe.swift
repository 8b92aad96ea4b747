import Primitives
import ServiceRuntime
import Synchronization

/// What the processes of a stack say about themselves when they are asked.
extension Stack {
    private static let timeout: Duration = .seconds(1)

    /// Each thread that asks writes its answer. Nil: the process works.
    private final class Answers: Sendable {
        let problems = Mutex<[String: String?]>([:])

        func note(_ problem: String?, of name: String) {
            problems.withLock { $0[name] = .some(problem) }
        }
    }

    /// Asks all processes at once, so that it takes no longer than the slowest answer.
    func table(_ state: StackState) throws(ToolError) -> StatusTable {
        let servers = try serverPlans(state)
        let answers = Answers()
        var threads: [ServiceThread] = []
        for unit in state.alive {
            let (name, port, server) = (unit.name, unit.operationsPort, servers[unit.name])
            guard port != nil || server != nil else { continue }
            do throws(ServiceError) {
                threads.append(
                    try ServiceThread(name: "ask-\(name)") {
                        let problem =
                            port.map {
                                UnitPlan.problem(at: $0, path: "/readyz", timeout: Self.timeout)
                            } ?? server?.problem
                        answers.note(problem, of: name)
                    })
            } catch {
                throw .runtime(error)
            }
        }
        let providers = providers(state)
        for thread in threads { thread.join() }
        return StatusTable(
            state: state, readiness: answers.problems.withLock { $0 }, providers: providers)
    }

    /// How the servers that run are asked, by name.
    private func serverPlans(_ state: StackState) throws(ToolError) -> [String: UnitPlan] {
        guard let ports = try StackPorts.read(home) else {
            throw .damaged(path: home.ports, problem: "no ports of a stack")
        }
        let plan = StackPlan(
            checkout: checkout, home: home, ports: ports, secrets: try StackSecrets.open(home),
            settings: StackSettings(), withServices: false,
            withSimulator: state.units.contains { $0.name == SimulatorPlan.program })
        return Dictionary(
            plan.units.filter { $0.kind == .server }.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    /// What its gateways say of where their ticks come from; nothing of one that does not answer.
    func providers(_ state: StackState) -> [ProviderView] {
        let gateways = state.alive.filter { $0.name == "provider-gateway" }
        return gateways.compactMap(\.operationsPort).flatMap { port in
            OperationsPage.status(port, timeout: Self.timeout).map(ProviderView.all) ?? []
        }
    }
}
