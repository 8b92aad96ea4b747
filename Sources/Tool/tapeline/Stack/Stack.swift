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
        var found: [Stack] = []
        for stack in try all(in: checkout, terminal) where try stack.isUp() { found.append(stack) }
        return try meant(of: found, "are up")
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

    /// Returns the one that is meant without a name: `default`, or the only one.
    static func meant(of stacks: [Stack], _ outcome: String) throws(ToolError) -> Stack? {
        if let usual = stacks.first(where: { $0.home.name == StackHome.defaultName }) {
            return usual
        }
        guard stacks.count > 1 else { return stacks.first }
        let names = stacks.map(\.home.name).joined(separator: ", ")
        throw .usage("several stacks \(outcome) (\(names)): name one with --name")
    }

    /// Returns true if at least one of its processes runs.
    func isUp() throws(ToolError) -> Bool {
        try StackState.read(home)?.alive.isEmpty == false
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
