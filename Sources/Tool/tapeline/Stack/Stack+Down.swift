internal import Glibc
import Primitives
import ServiceRuntime

/// `tapeline down`: ends exactly the processes that `up` started.
extension Stack {
    /// Longer than all limits of the supervision's stages together.
    static let supervisorGrace: Duration = .seconds(60)

    func down() throws(ToolError) -> ExitCode {
        guard FileSystem.isFolder(home.path) else {
            terminal.line("the stack \(home.name) is not up")
            return .success
        }
        return try locked { () throws(ToolError) in
            let state = try StackState.read(home)
            let isSupervised = state?.isSupervised ?? false
            if !isSupervised, Leftovers(home: home, state: state).isEmpty {
                terminal.line("the stack \(home.name) is not up")
                return .success
            }
            let begin = SystemClock().monotonic()
            terminal.line(
                isSupervised ? "stopping the stack \(home.name)" : "its supervisor has died")
            try end(state?.supervisor)
            let passed = SystemClock().monotonic().duration(since: begin)
            terminal.line("the stack \(home.name) is stopped (\(passed.shown)); its data stay")
            return .success
        }
    }

    /// Has the supervisor end its processes, then ends those that remain.
    func end(_ supervisor: ProcessIdentity?) throws(ToolError) {
        if let supervisor, supervisor.signal(SIGTERM) {
            if !supervisor.waitUntilGone(timeout: Stack.supervisorGrace) {
                terminal.line("its supervisor hangs and is killed")
                _ = supervisor.signal(SIGKILL)
                _ = supervisor.waitUntilGone(timeout: Leftovers.killGrace)
            }
        }
        let leftovers = Leftovers(home: home, state: try StackState.read(home))
        if !leftovers.isEmpty { try leftovers.stop { terminal.line("  \($0)") } }
    }
}
