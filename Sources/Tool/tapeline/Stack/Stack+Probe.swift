import DeploymentWatch
import Primitives
import ServiceRuntime
import Synchronization

/// Asks the processes of a stack about their state.
extension Stack {
    private static let timeout: Duration = .seconds(1)

    /// Each asking thread stores its answer here.
    private final class Answers: Sendable {
        let all = Mutex<[String: UnitPlan.Answer]>([:])

        func note(_ answer: UnitPlan.Answer, of name: String) {
            all.withLock { $0[name] = answer }
        }
    }

    /// Asks all processes at the same time, so the slowest answer decides how long it takes.
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
                        let answer =
                            port.map {
                                UnitPlan.answer(at: $0, path: "/readyz", timeout: Self.timeout)
                            } ?? UnitPlan.Answer(problem: server?.problem)
                        answers.note(answer, of: name)
                    })
            } catch {
                throw .runtime(error)
            }
        }
        let providers = providers(state)
        for thread in threads { thread.join() }
        return StatusTable(
            state: state, answers: answers.all.withLock { $0 }, providers: providers)
    }

    /// Returns how to ask each running server, by name.
    private func serverPlans(_ state: StackState) throws(ToolError) -> [String: UnitPlan] {
        let plan = StackPlan(
            checkout: checkout, home: home, ports: try StackPorts.present(home),
            secrets: try StackSecrets.open(home),
            settings: StackSettings(), sources: [], withServices: false,
            simulators: SimulatedVenue.allCases.filter { venue in
                state.units.contains { $0.name == venue.program }
            })
        return Dictionary(
            plan.units.filter { $0.kind == .server }.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Returns whether a worker makes its bars again.
    func makesBarsAnew(_ state: StackState) -> Bool {
        let workers = state.alive.filter { $0.name.hasPrefix(StackPlan.worker) }
        return workers.compactMap(\.operationsPort).contains { port in
            let page = OperationsPage.status(port, timeout: Self.timeout)
            return page?["operator"]?["partitions"]?.array?.contains {
                $0["made_anew"]?.bool == true
            } ?? false
        }
    }

    /// Returns the providers that its gateways report. A gateway that does not answer contributes
    /// none.
    func providers(_ state: StackState) -> [ProviderView] {
        let gateways = state.alive.filter { $0.name.hasPrefix(StackPlan.gateway) }
        return gateways.compactMap(\.operationsPort).flatMap { port in
            OperationsPage.status(port, timeout: Self.timeout).map(ProviderView.all) ?? []
        }
    }
}
