internal import Glibc
import Primitives
import ServiceRuntime

/// One stack: what all commands about stacks share.
struct Stack: Sendable {
    /// How long a command waits for another one that works on the same stack.
    static let lockTimeout: Duration = .seconds(120)

    /// The end of the name of the file that is a stack's lock.
    static let lockEnd = ".lock"

    let checkout: Checkout
    let home: StackHome
    let terminal: Terminal

    init(checkout: Checkout, name: String, terminal: Terminal) throws(ToolError) {
        self.checkout = checkout
        home = try StackHome(checkout: checkout, name: name)
        self.terminal = terminal
    }

    /// Returns the stack that a command means which names none: the only one that is up. `nil` if
    /// none is up. The package of Python has the same rule (`stack.py`).
    static func up(in checkout: Checkout, _ terminal: Terminal) throws(ToolError) -> Stack? {
        var found: [Stack] = []
        for stack in try all(in: checkout, terminal) where try stack.isUp() { found.append(stack) }
        guard found.count > 1 else { return found.first }
        let names = found.map(\.home.name).joined(separator: ", ")
        throw .usage("several stacks are up (\(names)): name one with --name")
    }

    /// Returns all stacks that have a folder.
    static func all(in checkout: Checkout, _ terminal: Terminal) throws(ToolError) -> [Stack] {
        var found: [Stack] = []
        for name in FileSystem.names(in: checkout.stacks).sorted()
        where StackHome.isName(name) && FileSystem.isFolder("\(checkout.stacks)/\(name)") {
            found.append(try Stack(checkout: checkout, name: name, terminal: terminal))
        }
        return found
    }

    /// Returns true if its supervisor or at least one of its processes runs.
    func isUp() throws(ToolError) -> Bool {
        guard let state = try StackState.read(home) else { return false }
        return state.isSupervised || !state.alive.isEmpty
    }

    /// Holds the lock that lets only one command at a time change a stack.
    func locked<Result>(
        _ body: () throws(ToolError) -> Result
    ) throws(ToolError) -> Result {
        if let lock = try FileLock(home.commandLock, timeout: .zero) {
            let result = try body()
            withExtendedLifetime(lock) {}
            return result
        }
        terminal.line("waiting for another command at the stack \(home.name)")
        guard let lock = try FileLock(home.commandLock, timeout: Stack.lockTimeout) else {
            throw .busy(stack: home.name)
        }
        let result = try body()
        withExtendedLifetime(lock) {}
        return result
    }
}
