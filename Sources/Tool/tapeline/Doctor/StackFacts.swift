internal import ServiceRuntime
/// What the doctor knows of the processes of a local stack.
struct StackFacts: Equatable, Sendable {
    /// A process that should run and does not, or a job that failed.
    struct Unit: Equatable, Sendable {
        let name: String
        /// A state of `SupervisedUnit.shown`.
        let state: String
        var detail = ""
    }

    var isSupervised = true
    var dead: [Unit] = []

    init() {}

    init(_ state: StackState) {
        isSupervised = state.isSupervised
        dead = state.units.filter {
            Self.isDead($0, in: state.phase, isAlive: $0.process?.isAlive == true)
        }.map { Unit(name: $0.name, state: $0.state, detail: $0.detail) }
    }

    /// A process that is not started yet is not dead, nor is a job that is done.
    static func isDead(
        _ unit: StackState.Unit, in phase: SupervisionMachine.Phase, isAlive: Bool
    ) -> Bool {
        guard !isAlive else { return false }
        if unit.kind == .job { return unit.state == "gave up" }
        return phase != .starting || unit.state != "waiting"
    }

    var findings: [Finding] {
        var found: [Finding] = []
        if !isSupervised {
            found.add(
                .wrong, .services,
                "the supervisor of the stack is dead: nobody starts again what ends",
                "stop the stack with 'tapeline down' and start it with 'tapeline up'")
        }
        for unit in dead {
            let why = unit.detail.isEmpty ? "" : ": \(unit.detail)"
            found.add(
                .wrong, .services, "\(unit.name) does not run (\(unit.state)\(why))",
                "see its log ('tapeline logs \(unit.name)')", runbook: "Services")
        }
        return found
    }
}
