/// A stack of a checkout.
struct StackTarget: Equatable, Sendable {
    var home: String?
    var name: String?
}

extension StackTarget {
    init(_ given: CommandArguments) throws(ToolError) {
        self.init(home: try given.one("--home"), name: try given.one("--name"))
    }
}

/// The tape that a command works on: that of a local stack, or that of any deployment.
struct TapeTarget: Equatable, Sendable {
    var home: String?
    /// The name of a local stack. `nil` means the only one that is up, unless the environment
    /// names servers.
    var stack: String?
    /// Overrides NATS_URL.
    var natsURL: String?
}

extension TapeTarget {
    init(_ given: CommandArguments) throws(ToolError) {
        self.init(
            home: try given.one("--home"), stack: try given.one("--name"),
            natsURL: try given.one("--nats"))
        guard stack == nil || natsURL == nil else {
            throw .usage("--name is a local stack and --nats any server: give one of them")
        }
    }
}
