extension ToolCommand.Target {
    static let options: Set<String> = ["--home", "--name"]

    init(_ arguments: CommandArguments) throws(ToolError) {
        self.init(home: try arguments.one("--home"), name: try arguments.one("--name"))
    }
}

/// The tape that a command works on: that of a local stack, or that of any deployment.
struct TapeTarget: Equatable, Sendable {
    var home: String?
    /// The name of a local stack. `nil` means the one that is up, unless the environment names
    /// servers.
    var stack: String?
    /// Overrides NATS_URL.
    var natsURL: String?

    static let options: Set<String> = ["--home", "--name", "--nats"]

    init(home: String? = nil, stack: String? = nil, natsURL: String? = nil) {
        self.home = home
        self.stack = stack
        self.natsURL = natsURL
    }

    init(_ arguments: CommandArguments) throws(ToolError) {
        home = try arguments.one("--home")
        stack = try arguments.one("--name")
        natsURL = try arguments.one("--nats")
        guard stack == nil || natsURL == nil else {
            throw .usage("--name is a local stack and --nats any server: give one of them")
        }
    }
}
