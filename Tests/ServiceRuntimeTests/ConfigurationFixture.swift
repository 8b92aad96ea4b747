import ServiceRuntime
import Testing

/// A service with one key of every kind, configured from values instead of files.
struct ConfigurationFixture {
    static let keys = [
        ConfigurationKey("WRITER_NAME", .text, default: "n", "A text."),
        ConfigurationKey("WRITER_ID", .name(bytesMax: 8, also: "-"), default: "w-1", "A name."),
        ConfigurationKey("WRITER_ROWS", .integer(1...1_000), default: "200", "Rows of a batch."),
        ConfigurationKey("WRITER_SHARE", .real(0...1), default: "0.5", "A share."),
        ConfigurationKey("WRITER_DRY", .flag, default: "false", "Whether to write nothing."),
        ConfigurationKey(
            "WRITER_WAIT", .duration(.milliseconds(1)...(.seconds(60))), default: "250ms",
            "How long a batch waits."),
        ConfigurationKey("WRITER_SPOOL", .byteCount(0...(1 << 40)), default: "64MiB", "Spool."),
        ConfigurationKey("WRITER_MODE", .choice(["copy", "insert"]), default: "copy", "How."),
        ConfigurationKey(
            "WRITER_AIM", .durationOr(["soon", "late"], .milliseconds(1)...(.seconds(1))),
            default: "soon", "An aim."),
        ConfigurationKey("WRITER_TABLES", .list, default: "bars,trades", "Tables."),
        ConfigurationKey("WRITER_PEER", .url(["http", "https"]), group: "Peer", "A peer."),
        ConfigurationKey("NATS_URL", .urls(["nats", "tls"]), required: true, "NATS servers."),
        ConfigurationKey("POSTGRES_PASSWORD", .text, secret: true, "Password."),
        ConfigurationKey("MDS_PARTITIONS", .integer(1...4_096), default: "32", "Partitions."),
    ]

    static let service = ServiceDescription(
        name: "store-writer", version: "1.2.3", revision: "abc12",
        summary: "Writes the tape into the database.",
        keys: keys,
        subcommands: [.init("migrate", "Brings the schema up to date.")],
        examples: [.init("store-writer migrate", "Brings the schema up to date, and stops.")])

    var arguments: [String] = []
    var environment = ["NATS_URL": "nats://127.0.0.1:4222"]
    var files: [String: FileContent] = [:]
    var service = ConfigurationFixture.service

    init(
        _ arguments: [String] = [], environment: [String: String] = [:],
        files: [String: String] = [:], mode: UInt32 = 0o640
    ) {
        self.arguments = arguments
        self.environment.merge(environment) { $1 }
        self.files = files.mapValues { FileContent(bytes: Array($0.utf8), mode: mode) }
    }

    func decide() -> CommandLineDecision {
        let files = files
        return ServiceCommandLine(service).decide(
            arguments: arguments, environment: environment
        ) { path, bytesMax in
            guard let content = files[path] else { return .failure(.cannotOpen(code: 2)) }
            return content.bytes.count > bytesMax
                ? .failure(.tooLarge(bytesMax: bytesMax)) : .success(content)
        }
    }

    /// Returns the accepted configuration.
    func configuration(_ location: SourceLocation = #_sourceLocation) throws -> Configuration {
        let decision = decide()
        guard case .run(let configuration) = decision else {
            Issue.record("\(decision)", sourceLocation: location)
            throw Refused()
        }
        return configuration
    }

    /// Returns the problems, without the service's name and without the last line, which counts
    /// them.
    func problems(_ location: SourceLocation = #_sourceLocation) -> [String] {
        guard case .refuse(let text) = decide() else {
            Issue.record("nothing was refused", sourceLocation: location)
            return []
        }
        let lines = text.split(separator: "\n").map { $0.dropFirst("store-writer: ".count) }
        return lines.dropLast().map(String.init)
    }

    func printed(_ location: SourceLocation = #_sourceLocation) -> String {
        guard case .print(let text) = decide() else {
            Issue.record("nothing was printed", sourceLocation: location)
            return ""
        }
        return text
    }

    struct Refused: Error {}
}
