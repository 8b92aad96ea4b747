import ServiceRuntime

/// `tapeline open`: shows the cockpit of a stack in a browser.
struct OpenCommand: ToolCommand {
    var target = StackTarget()

    static let page = CommandPage(
        "open", .stack, "show the cockpit in the browser", on: .stack,
        """
        open
            print the address of the cockpit of the stack that is up, and where the token to act is;
            on a desktop, show it in the browser
        $ tapeline open --name binance
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> OpenCommand {
        OpenCommand(target: try StackTarget(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let stack = try tool.stackThatIsUp(target)
        guard let state = try StackState.read(stack.home), !state.alive.isEmpty,
            let address = try stack.cockpitAddress(state)
        else {
            throw .refused(
                "the stack \(stack.home.name) shows no pages, as its services are not up: start it "
                    + "with '\(stack.home.command("up"))'")
        }
        for line in StackPlan.lookHints(address, stack.home) { tool.terminal.line(line) }
        let environment = try FileSystem.ownEnvironment()
        guard let opener = Self.opener(environment) else { return .success }
        return try show(address, by: opener, environment)
    }

    /// How long the desktop may take to say that it cannot.
    private static let openTimeout: Duration = .seconds(3)

    /// Returns the program that shows an address on the desktop; `nil` without a desktop.
    static func opener(_ environment: [String: String]) -> String? {
        let screens = ["DISPLAY", "WAYLAND_DISPLAY"].compactMap { environment[$0] }
        guard screens.contains(where: { !$0.isEmpty }) else { return nil }
        return (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/xdg-open" }
            .first(where: FileSystem.isExecutable)
    }

    private func show(
        _ address: String, by opener: String, _ environment: [String: String]
    ) throws(ToolError) -> ExitCode {
        let ended: ChildProcess.ExitStatus?
        do {
            ended = try ChildProcess(
                executable: opener, arguments: [address], environment: environment,
                logPath: "/dev/null"
            ).wait(timeout: Self.openTimeout)
        } catch {
            throw .runtime(error)
        }
        // Some browsers stay in the foreground.
        guard let ended, !ended.isSuccess else { return .success }
        throw .refused("\(opener) shows no page (\(ended)): open the address in a browser")
    }
}
