internal import Glibc
import NatsTransport
import Primitives
import ServiceRuntime

/// The gateway process that `tapeline replay` runs: its servers and its log.
struct ReplayGateway {
    private let deployment: Deployment
    private let namespace: String
    /// The tool's own environment.
    private let environment: [String: String]

    init(
        _ deployment: Deployment, namespace: String,
        environment: [String: String] = ConfigurationFiles.environment()
    ) {
        self.deployment = deployment
        self.namespace = namespace
        self.environment = environment
    }

    /// The keys that the gateway inherits: where the tape is, and the credentials to read and write
    /// it.
    private static let inherited = [
        "REPLAY_NATS_URL", "REPLAY_NATS_USER", "REPLAY_NATS_PASSWORD",
        "REPLAY_NATS_PASSWORD_FILE", "LLVM_PROFILE_FILE",
    ]

    /// The servers as settings of a gateway. In a local stack the gateway's user writes and the
    /// tool's user reads.
    var servers: [String: String] {
        var servers = environment.filter { Self.inherited.contains($0.key) }
        servers["NATS_URL"] = deployment.nats.urls.joined(separator: ",")
        if let home = deployment.home {
            servers["NATS_USER"] = "gateway"
            servers["NATS_PASSWORD_FILE"] = home.secret(StackSecrets.Name.natsGateway.rawValue)
            servers["REPLAY_NATS_USER"] = "tool"
            servers["REPLAY_NATS_PASSWORD_FILE"] = home.secret(
                StackSecrets.Name.natsTool.rawValue)
            return servers
        }
        servers["NATS_USER"] = deployment.nats.user
        servers["NATS_PASSWORD"] = deployment.nats.password
        servers["NATS_TLS_CA"] = deployment.nats.tls?.caFile
        servers["NATS_TLS_CERTIFICATE"] = deployment.nats.tls?.certFile
        servers["NATS_TLS_KEY"] = deployment.nats.tls?.keyFile
        return servers
    }

    /// Returns the settings as shell commands. A password is taken from the shell's environment and
    /// not printed.
    static func printed(_ settings: [String: String], _ program: String) -> [String] {
        settings.sorted { $0.key < $1.key }.map { key, value in
            let isSecret = key.hasSuffix("PASSWORD")
            return "\(key)=\(isSecret ? "\"$\(key)\"" : quoted(value)) \\"
        } + [quoted(program)]
    }

    private static func quoted(_ text: String) -> String {
        "'"
            + text.split(separator: "'", omittingEmptySubsequences: false).joined(
                separator: "'\\''")
            + "'"
    }

    /// Where its log lies: with those of the stack, else in a new folder that nobody else can
    /// write to.
    func makeLog() throws(ToolError) -> ReplayLog {
        if let home = deployment.home {
            try home.makeFolders()
            let file = LogFile(path: home.log("replay-\(namespace)"))
            try file.keepBounded()
            return ReplayLog(file: file, start: file.end, folder: nil)
        }
        let parent = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var pattern = Array("\(parent)/tapeline-replay-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&pattern) else {
            throw FileSystem.failure("make a folder in", parent)
        }
        let folder = unsafe String(cString: made)
        return ReplayLog(file: LogFile(path: "\(folder)/gateway.log"), start: 0, folder: folder)
    }
}

/// The log of one run.
struct ReplayLog {
    /// Only what was written since is read for refusals: a run says them at its start.
    private static let bytesMax = 64 << 10

    let file: LogFile
    fileprivate let start: Int
    /// Of this run alone.
    fileprivate let folder: String?

    fileprivate init(file: LogFile, start: Int, folder: String?) {
        self.file = file
        self.start = start
        self.folder = folder
    }

    var path: String { file.path }

    /// What a gateway that has ended said last.
    var lastMessages: String { file.lastMessages(from: start).map { ": \($0)" } ?? "" }

    /// What NATS refused; nil: nothing.
    var refusal: String? {
        let written = max(0, file.end - start)
        let bytes = FileSystem.tail(of: path, bytesMax: min(written, Self.bytesMax))
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let line = parsedJSON(Array(line)),
                line["event"]?.string?.hasSuffix(".complaint") == true
            else { continue }
            return line["reason"]?.string
        }
        return nil
    }

    /// A run that is done needs no log of its own.
    func remove() throws(ToolError) {
        if let folder { try FileSystem.removeFolder(folder) }
    }
}
