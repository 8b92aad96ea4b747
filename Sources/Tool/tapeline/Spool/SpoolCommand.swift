/// `tapeline spool …`: works with ticks that gateways could not put on the tape.
enum SpoolCommand: Equatable, Sendable {
    case list(SpoolPlace, asJSON: Bool)
    case replay(SpoolReplayCommand)

    static func parse(_ arguments: [String]) throws(ToolError) -> SpoolCommand {
        let rest = Array(arguments.dropFirst())
        switch arguments.first {
        case "list": return try list(rest)
        case "replay": return .replay(try SpoolReplayCommand.parse(rest))
        default: throw .usage("'tapeline spool' wants list or replay")
        }
    }

    private static func list(_ rest: [String]) throws(ToolError) -> SpoolCommand {
        let arguments = try CommandArguments(
            "spool list", rest, .init(values: SpoolPlace.options, flags: ["--json"]))
        try arguments.requireWords(0, "options only")
        return .list(try SpoolPlace(arguments), asJSON: arguments.has("--json"))
    }
}

/// The folder in which gateways keep their spools.
struct SpoolPlace: Equatable, Sendable {
    static let key = "GATEWAY_SPOOL"
    static let options: Set<String> = ["--folder", "--home", "--name"]

    var folder: String?
    /// The local stack whose spools are meant when `folder` is `nil`.
    var home: String?
    var stack: String?

    init(folder: String? = nil, home: String? = nil, stack: String? = nil) {
        self.folder = folder
        self.home = home
        self.stack = stack
    }

    init(_ arguments: CommandArguments) throws(ToolError) {
        folder = try arguments.one("--folder")
        home = try arguments.one("--home")
        stack = try arguments.one("--name")
        guard folder == nil || stack == nil else {
            throw .usage("--name is a local stack and --folder any folder: give one of them")
        }
    }

    /// Returns the folder: `--folder`, else that of the named stack, else GATEWAY_SPOOL, else that
    /// of the stack `default`.
    func path(_ environment: [String: String], executable: String) throws(ToolError) -> String {
        if let folder { return folder }
        let configured = environment[Self.key] ?? ""
        if stack == nil, !configured.isEmpty { return configured }
        let checkout: Checkout
        do throws(ToolError) {
            checkout = try Checkout.find(home: home, executable: executable)
        } catch {
            guard home == nil, stack == nil else { throw error }
            throw .usage(
                "there is no local stack around this program, and \(Self.key) is not set: set it, "
                    + "or give --folder FOLDER")
        }
        return try StackHome(checkout: checkout, name: stack ?? StackHome.defaultName).spool
    }
}
