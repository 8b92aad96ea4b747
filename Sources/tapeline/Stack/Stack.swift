internal import Glibc
import Primitives
import ServiceRuntime
import Telemetry

/// What the commands about one stack have in common.
struct Stack: Sendable {
    /// How long a command waits for another one at the same stack.
    static let lockTimeout: Duration = .seconds(120)

    let checkout: Checkout
    let home: StackHome
    let terminal: Terminal

    init(checkout: Checkout, name: String, terminal: Terminal) throws(ToolError) {
        self.checkout = checkout
        home = try StackHome(checkout: checkout, name: name)
        self.terminal = terminal
    }

    /// One command at a time changes a stack.
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
