import ServiceRuntime

/// `tapeline tape`: the state of the tape. `tapeline tape verify`: the servers' own copies of it.
struct TapeCommand: ToolCommand {
    /// What `verify` reads.
    struct Verification: Equatable, Sendable {
        static let mebibytesUsual = 20
        static let mebibytesMax = 10_000

        /// `nil`: each server that holds a copy.
        var server: String?
        /// Of all copies together, a second.
        var mebibytes = mebibytesUsual
        /// Only what was not verified on that server before.
        var onlyNew = false
    }

    var target = TapeTarget()
    var asJSON = false
    /// False to look once, without rates.
    var withRate = true
    var verification: Verification?

    static let page = CommandPage(
        "tape", .state, "streams, rates and readers; verify the servers' copies", also: [.json],
        """
        tape
            streams, partitions, rates, readers and their lag, and whether an acknowledgement means
            'on disk'
        tape verify
            read each server's own copy of the tape, or that of --node: checksums, ordinals, and
            each packet against the other copies; exit status 1 when a copy is damaged, different or
            lacks something
        --no-rate
            tape: one look, not two with a second between
        --node NAME
            verify: only the copy on this server of NATS
        --rate N
            verify: read so many MiB a second of all copies together; 20
        --new
            verify: only what was not verified before
        $ tapeline tape
        $ NATS_URL=nats://nats.example:4222 tapeline tape
        $ tapeline tape verify --node nats-1 --rate 5
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> TapeCommand {
        var command = TapeCommand(
            target: try TapeTarget(given), asJSON: given.asJSON,
            withRate: !given.has("--no-rate"))
        guard given.verb == "verify" else { return command }
        command.verification = Verification(
            server: try given.one("--node"),
            mebibytes: try given.integer("--rate", in: 1...Verification.mebibytesMax)
                ?? Verification.mebibytesUsual, onlyNew: given.has("--new"))
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        guard let verification else {
            return try TapeRun(command: self, terminal: tool.terminal)
                .run(deployment, shutdown: tool.signals())
        }
        return try VerifyRun(
            command: self, verification: verification, terminal: tool.terminal
        ).run(deployment, shutdown: tool.signals())
    }
}
