import ServiceRuntime

/// `tapeline partition of` and `tapeline partition rebuild`.
enum PartitionCommand: ToolCommand {
    case of(PartitionOf)
    case rebuild(PartitionRebuild)

    static let page = CommandPage(
        "partition", .operation, "the partition of a symbol; compute one again", on: .nowhere,
        also: [
            .name.of("rebuild"), .nats.of("rebuild"), .hiddenHome, .yes.of("rebuild"),
            .json.of("of"),
        ],
        """
        partition of SYMBOL
            the number of the symbol's partition, alone; needs no server
        partition rebuild PARTITION...
            have its operator compute state and bars again from the tape
        --partitions N
            of: how many there are, 8 if not given
        --timeout N
            rebuild: seconds to wait, 60 if not given
        $ tapeline partition of "SPY   261218C00500000" --partitions 32
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> PartitionCommand {
        given.verb == "of" ? .of(try PartitionOf(given)) : .rebuild(try PartitionRebuild(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        switch self {
        case .of(let question): tool.say(question.answer)
        case .rebuild(let command):
            try command.run(
                tool.deployment(command.target), shutdown: tool.signals(), tool.terminal)
        }
    }
}
