import ServiceRuntime

/// What commands need: the terminal, the environment, and ways to the servers that are meant.
struct Tool: Sendable {
    let terminal: Terminal
    var environment = ConfigurationFiles.environment()
    /// The request to end. `nil`: the signals of the process make it.
    var shutdown: ShutdownSignal?

    /// Prints a text, which is all that the command does.
    func say(_ text: String) -> ExitCode {
        terminal.line(text)
        return .success
    }

    func deployment(_ target: TapeTarget) throws(ToolError) -> Deployment {
        try Deployment.find(
            target, environment: environment, executable: Checkout.ownExecutable())
    }

    /// Returns the stack that a command makes or starts: without a name `default`.
    func stack(
        _ target: StackTarget, default name: String = StackHome.defaultName
    ) throws(ToolError) -> Stack {
        let checkout = try Checkout.find(home: target.home, executable: Checkout.ownExecutable())
        return try Stack(checkout: checkout, name: target.name ?? name, terminal: terminal)
    }

    /// Returns the stack for all other commands. Without a name this is the only one that is up;
    /// where none is, `default`, of which they say that it is not up.
    func stackThatIsUp(_ target: StackTarget) throws(ToolError) -> Stack {
        let named = try stack(target)
        if target.name != nil { return named }
        return try Stack.up(in: named.checkout, terminal) ?? named
    }

    /// Returns the path of a program that stands beside this one.
    func program(_ name: String) throws(ToolError) -> String {
        "\(FileSystem.folder(of: try Checkout.ownExecutable()))/\(name)"
    }

    func signals() throws(ToolError) -> ShutdownSignal {
        if let shutdown { return shutdown }
        do {
            return try ShutdownSignal.install()
        } catch {
            throw .runtime(error)
        }
    }
}
