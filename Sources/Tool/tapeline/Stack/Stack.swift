internal import Glibc
import Primitives
import ServiceRuntime

/// One stack: what all commands about stacks share.
struct Stack: Sendable {
    /// How long a command waits for another one that works on the same stack.
    static let lockTimeout: Duration = .seconds(120)

    let checkout: Checkout
    let home: StackHome
    let terminal: Terminal

    init(checkout: Checkout, name: String, terminal: Terminal) throws(ToolError) {
        self.checkout = checkout
        home = try StackHome(checkout: checkout, name: name)
        self.terminal = terminal
    }

    /// Returns the stack that is meant when none is named: `default` if it is up, or the only one
    /// that is. `nil` if none is up.
    static func up(in checkout: Checkout, _ terminal: Terminal) throws(ToolError) -> Stack? {
        let folder = FileSystem.folder(
            of: try StackHome(checkout: checkout, name: StackHome.defaultName).path)
        var found: [Stack] = []
        for name in FileSystem.names(in: folder).sorted() where StackHome.isName(name) {
            let stack = try Stack(checkout: checkout, name: name, terminal: terminal)
            if try stack.isUp() { found.append(stack) }
        }
        if let usual = found.first(where: { $0.home.name == StackHome.defaultName }) {
            return usual
        }
        guard found.count > 1 else { return found.first }
        let names = found.map(\.home.name).joined(separator: ", ")
        throw .usage("several stacks are up (\(names)): name one with --name")
    }

    /// Returns true if at least one of its processes runs.
    func isUp() throws(ToolError) -> Bool {
        try StackState.read(home)?.alive.isEmpty == false
    }

    /// Holds the lock that lets only one command at a time change a stack.
    func locked<Result>(
        _ body: () throws(ToolError) -> Result
    ) throws(ToolError) -> Result {
        try FileSystem.makeFolder(FileSystem.folder(of: home.commandLock))
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
