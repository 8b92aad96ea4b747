import ServiceRuntime

/// `tapeline demo`.
struct DemoCommand: ToolCommand {
    /// The demo has its own stack, so that it cannot disturb other data.
    static let stackName = "demo"

    var target = StackTarget()
    var options = Stack.DemoOptions()

    static let page = CommandPage(
        "demo", .stack, "run the whole product for half a minute, and audit it", on: .stack,
        also: [.set],
        """
        demo
            run the whole product on real servers for about 30 s, with a simulated broker that goes
            away in the middle; then audit every row against what the broker sent. Each run starts
            from nothing and stops what it started
        --seconds N
            how long the live part takes, 30 if not given (10 to 3600)
        --keep
            leave everything running
        $ tapeline demo --seconds 60 --keep
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> DemoCommand {
        var command = DemoCommand(target: try StackTarget(given))
        command.options.settings = try StackSettings(given)
        command.options.seconds =
            try given.integer("--seconds", in: DemoPlan.secondsRange) ?? command.options.seconds
        command.options.keep = given.has("--keep")
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try tool.stack(target, default: Self.stackName).demo(options, shutdown: tool.signals())
    }
}
