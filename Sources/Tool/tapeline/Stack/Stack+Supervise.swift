internal import Glibc
import ServiceRuntime

/// `tapeline supervise`: the supervisor process that `up` starts. It has no terminal and lives
/// until `down`.
extension Stack {
    func supervise(_ options: UpOptions, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        // Starts its own session, so that the stack survives the end of the person's terminal. The
        // call fails only for the leader of a process group, which already is in its own group.
        _ = setsid()
        guard let lock = try FileLock(home.supervisorLock, timeout: .zero) else {
            throw .busy(stack: home.name)
        }
        defer { withExtendedLifetime(lock) {} }
        guard let identity = ProcessIdentity.current else {
            throw .damaged(path: "/proc/self/stat", problem: "it has no start time")
        }
        let plan = try runningPlan(options)
        let logger = Logger(service: "tapeline", level: .info, format: .text(color: false))
        let supervisor = Supervisor(
            plan.units, home: home,
            arguments: options.arguments + plan.sources.flatMap(\.arguments),
            identity: identity, logger: logger, shutdown: shutdown)
        supervisor.onStart = { unit throws(ToolError) in
            try self.changed(unit, options, of: identity)
        }
        return supervisor.run() == nil ? .success : .failure
    }

    /// Returns the plans of a stack of these options and their arguments with what was changed for
    /// this supervisor; `nil` if nothing was changed for this unit. A change is of the graph alone.
    func changed(
        _ unit: UnitPlan, _ options: UpOptions, of supervisor: ProcessIdentity
    ) throws(ToolError) -> (plans: [UnitPlan], arguments: [String])? {
        guard unit.name.hasPrefix(StackPlan.worker),
            let change = try StackChange.read(home, of: supervisor)
        else { return nil }
        var changed = options
        changed.settings = options.settings.merging(change.settings)
        let plan = try runningPlan(changed)
        return (plan.units, changed.arguments + plan.sources.flatMap(\.arguments))
    }

    /// Returns the plan of what `up` has prepared.
    private func runningPlan(_ options: UpOptions) throws(ToolError) -> StackPlan {
        var plan = try plan(options, StackSources.read(home), ports: StackPorts.present(home))
        plan.graph = KeptGraph.copy(home, for: options.settings)
        return plan
    }
}
