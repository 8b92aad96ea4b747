internal import Glibc
import Primitives
import ServiceRuntime

/// `tapeline down`: ends exactly the processes that `up` started, and removes a stack if asked.
extension Stack {
    /// Longer than all limits of the supervision's stages together.
    static let supervisorGrace: Duration = .seconds(60)

    func down(removing: Bool = false) throws(ToolError) -> ExitCode {
        guard FileSystem.isFolder(home.path) else {
            terminal.line("the stack \(home.name) is not up")
            return .success
        }
        return try locked { () throws(ToolError) in
            try stop(removing ? "" : "; its data stay")
            if removing { try removeAll() }
            return .success
        }
    }

    /// Removes the folder of a stack that is stopped.
    private func removeAll() throws(ToolError) {
        guard !FileSystem.isLink(home.path), FileSystem.exists(home.ports) else {
            throw .refused("\(home.path) is no folder of a stack: remove by hand what it names")
        }
        // The supervisor may be a process of another container, which is not seen from here.
        guard let lock = try FileLock(home.supervisorLock, timeout: .zero) else {
            throw .refused("the stack \(home.name) is up in another container or machine")
        }
        // No part of it is taken for a stack when this ends in its middle.
        let going = "\(home.path).removed"
        try FileSystem.removeFolder(going)
        try FileSystem.move(home.path, to: going)
        withExtendedLifetime(lock) {}
        try FileSystem.removeFolder(going)
        try removeLocks()
        terminal.line("the stack \(home.name) is removed, with its data")
    }

    /// Removes the lock of a stack that is gone, which this command holds, those of others that are
    /// gone, too, and the folder of all stacks when it is empty.
    func removeLocks() throws(ToolError) {
        try FileSystem.removeFile(home.commandLock)
        for file in FileSystem.names(in: checkout.stacks) where file.hasSuffix(Self.lockEnd) {
            let name = String(file.dropLast(Self.lockEnd.count))
            let path = "\(checkout.stacks)/\(name)"
            guard StackHome.isName(name), !FileSystem.exists(path),
                let lock = try FileLock("\(path)\(Self.lockEnd)", timeout: .zero)
            else { continue }
            // A command that begins a stack of this name holds the lock before it makes the folder.
            if !FileSystem.exists(path) { try FileSystem.removeFile("\(path)\(Self.lockEnd)") }
            withExtendedLifetime(lock) {}
        }
        try FileSystem.removeEmptyFolder(checkout.stacks)
    }

    private func stop(_ end: String) throws(ToolError) {
        let state = try StackState.read(home)
        let isSupervised = state?.isSupervised ?? false
        if !isSupervised, Leftovers(home: home, state: state).isEmpty {
            return terminal.line("the stack \(home.name) is not up")
        }
        let begin = SystemClock().monotonic()
        terminal.line(isSupervised ? "stopping the stack \(home.name)" : "its supervisor has died")
        try self.end(state?.supervisor)
        let passed = SystemClock().monotonic().duration(since: begin)
        terminal.line("the stack \(home.name) is stopped (\(passed.shown))\(end)")
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
