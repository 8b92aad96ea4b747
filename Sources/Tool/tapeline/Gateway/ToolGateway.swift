import NatsTransport
import ServiceRuntime

/// The gateway process that a command of the tool runs: its servers and its log.
struct ToolGateway {
    private let deployment: Deployment
    /// What it is for: `replay-test`. Its log has this name.
    private let name: String
    /// The tool's own environment.
    private let environment: [String: String]

    init(
        _ deployment: Deployment, named name: String,
        environment: [String: String] = ConfigurationFiles.environment()
    ) {
        self.deployment = deployment
        self.name = name
        self.environment = environment
    }

    /// The keys of a replay that the gateway inherits: where the tape is that it reads, and the
    /// credentials for it.
    private static let readerKeys = [
        "REPLAY_NATS_URL", "REPLAY_NATS_USER", "REPLAY_NATS_PASSWORD",
        "REPLAY_NATS_PASSWORD_FILE",
    ]
    private static let profileKey = "LLVM_PROFILE_FILE"

    /// The server of the tape as settings of a gateway. In a local stack the gateway's user writes.
    var server: [String: String] {
        let inherited = [Self.profileKey, StackPlan.authoritiesKey]
        var server = environment.filter { inherited.contains($0.key) }
        server["NATS_URL"] = deployment.nats.urls.joined(separator: ",")
        if let home = deployment.home {
            server["NATS_USER"] = "gateway"
            server["NATS_PASSWORD_FILE"] = home.secret(StackSecrets.Name.natsGateway.rawValue)
            return server
        }
        server["NATS_USER"] = deployment.nats.user
        server["NATS_PASSWORD"] = deployment.nats.password
        server["NATS_CREDS_FILE"] = deployment.nats.credentials
        server["NATS_TLS_CA"] = deployment.nats.tls?.caFile
        server["NATS_TLS_CERTIFICATE"] = deployment.nats.tls?.certFile
        server["NATS_TLS_KEY"] = deployment.nats.tls?.keyFile
        return server
    }

    /// The server of the tape that a replay reads. In a local stack the tool's user reads.
    var reader: [String: String] {
        var reader = environment.filter { Self.readerKeys.contains($0.key) }
        guard let home = deployment.home else { return reader }
        reader["REPLAY_NATS_USER"] = "tool"
        reader["REPLAY_NATS_PASSWORD_FILE"] = home.secret(StackSecrets.Name.natsTool.rawValue)
        return reader
    }

    /// Returns the settings as shell commands. A password is taken from the shell's environment and
    /// not printed. `variables` names the variables there whose names are not those of the keys.
    static func printed(
        _ settings: [String: String], _ program: String, variables: [String: String] = [:]
    ) -> [String] {
        settings.sorted { $0.key < $1.key }.map { key, value in
            let isSecret = key.hasSuffix("PASSWORD")
            return "\(key)=\(isSecret ? "\"$\(variables[key] ?? key)\"" : quoted(value)) \\"
        } + [quoted(program)]
    }

    /// Returns the text as one word of a shell.
    static func quoted(_ text: String) -> String {
        "'"
            + text.split(separator: "'", omittingEmptySubsequences: false).joined(
                separator: "'\\''")
            + "'"
    }

    /// Where its log lies: with those of the stack, else in a new folder that nobody else can
    /// write to.
    func makeLog() throws(ToolError) -> GatewayLog {
        if let home = deployment.home {
            try home.makeFolders()
            let file = LogFile(path: home.log(name))
            try file.keepBounded()
            return GatewayLog(file: file, start: file.end, folder: nil)
        }
        let folder = try FileSystem.makeTemporaryFolder(name, environment)
        return GatewayLog(file: LogFile(path: "\(folder)/gateway.log"), start: 0, folder: folder)
    }
}
