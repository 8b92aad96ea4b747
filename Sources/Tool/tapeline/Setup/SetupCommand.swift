import ServiceRuntime
import TapeTransport

/// `tapeline setup`: makes and enlarges the streams and buckets of a namespace.
struct SetupCommand: Equatable, Sendable {
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

    static func parse(_ arguments: [String]) throws(ToolError) -> SetupCommand {
        let sizes = ["--stream-bytes": streamBytes, "--dead-letter-bytes": deadLetterBytes]
        let arguments = try CommandArguments(
            "setup", arguments,
            .init(values: TapeTarget.options.union(sizes.keys), flags: ["--json"]))
        try arguments.requireWords(0, "options only")
        var command = SetupCommand(
            target: try TapeTarget(arguments), asJSON: arguments.has("--json"))
        for (option, key) in sizes {
            guard let value = try arguments.one(option) else { continue }
            command.given.append(GivenKey(option: option, key: key, value: value))
        }
        return command
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
