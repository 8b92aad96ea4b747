import ServiceRuntime
import TapeTransport

/// `tapeline setup`: makes and enlarges the streams and buckets of a namespace.
struct SetupCommand: ToolCommand {
    /// The maximum sizes of streams.
    struct Sizes: Equatable, Sendable {
        var stream: Int64
        var deadLetters: Int64
    }

    static let streamBytes = "MDS_STREAM_BYTES"
    static let deadLetterBytes = "WRITER_DEAD_LETTERS_BYTES"

    var target = TapeTarget()
    var asJSON = false
    var given: [GivenKey] = []

    static let page = CommandPage(
        "setup", .operation, "make the streams and buckets of a namespace, or enlarge them",
        also: [.json],
        """
        setup
            make the streams and buckets of a namespace on NATS, or enlarge them; to run it again
            does no harm, and nothing is made smaller. MDS_NAMESPACE and MDS_PARTITIONS say what is
            made, and MDS_REPLICAS with how many copies: 1, or 3 on a cluster of NATS. It adds
            copies while the services run, and takes none away. 'up' does it. On a server with users
            the services wait, not ready, until the user 'tool' has run it. A cluster that elects
            its leaders is waited for, at most a minute
        --stream-bytes N
            what each of the tape's five streams may hold; MDS_STREAM_BYTES if not given,
            else 1GiB
        --dead-letter-bytes N
            what the stream of dead letters may hold; WRITER_DEAD_LETTERS_BYTES if not
            given, else 64MiB
        $ NATS_URL=nats://nats.example:4222 NATS_USER=tool NATS_PASSWORD_FILE=secret tapeline setup
        $ tapeline setup --stream-bytes 20GiB
        $ MDS_NAMESPACE=history MDS_PARTITIONS=64 tapeline setup
        $ MDS_REPLICAS=3 tapeline setup
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> SetupCommand {
        var command = SetupCommand(target: try TapeTarget(given), asJSON: given.asJSON)
        for (option, key) in [
            "--stream-bytes": streamBytes, "--dead-letter-bytes": deadLetterBytes,
        ] {
            guard let value = try given.one(option) else { continue }
            command.given.append(GivenKey(option: option, key: key, value: value))
        }
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let patience = try SetupPatience(tool.signals(), tool.terminal)
        return try run(tool.deployment(target), tool.environment, tool.terminal, patience)
    }

    private static let description = ServiceDescription(
        name: "tapeline", version: ProductVersion.text, summary: "The person's tool.",
        keys: ConfigurationKey.tape.filter { $0.name == streamBytes } + [
            ConfigurationKey(
                deadLetterBytes, .byteCount(1_048_576...Int.max), default: "64MiB",
                group: "Writer", "Bytes of the dead letters' stream.")
        ])

    func sizes(_ environment: [String: String]) throws(ToolError) -> Sizes {
        let settings = environment.filter {
            [Self.streamBytes, Self.deadLetterBytes].contains($0.key)
        }
        let configuration = try ToolConfiguration.read(Self.description, settings, given: given)
        return Sizes(
            stream: Int64(configuration.integer(Self.streamBytes)),
            deadLetters: Int64(configuration.integer(Self.deadLetterBytes)))
    }
}
