import ServiceRuntime

/// `tapeline spool …`: works with ticks that gateways could not put on the tape.
enum SpoolCommand: ToolCommand {
    case list(SpoolPlace, asJSON: Bool)
    case replay(SpoolReplayCommand)

    static let page = CommandPage(
        "spool", .correction, "ticks that gateways could not put on the tape", on: .nowhere,
        also: [.name, .nats.of("replay"), .hiddenHome, .yes.of("replay"), .json],
        """
        spool list
            what gateways could not put on the tape, in use and set aside
        spool replay NAME
            put on the tape what a spool that was set aside has of the gaps there
        --folder FOLDER
            where the spools are; if not given, GATEWAY_SPOOL, or the local stack's
        $ tapeline spool list
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> SpoolCommand {
        given.verb == "list"
            ? .list(try SpoolPlace(given), asJSON: given.asJSON)
            : .replay(try SpoolReplayCommand(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        switch self {
        case .list(let place, let asJSON):
            return try SpoolRun(terminal: tool.terminal).list(place, asJSON: asJSON)
        case .replay(let command):
            let replay = SpoolReplay(
                command: command, folder: try SpoolRun.folder(command.place),
                terminal: tool.terminal)
            return try replay.run(tool.deployment(command.target), shutdown: tool.signals())
        }
    }
}

/// `tapeline spool replay NAME`: publishes the spool's ticks that are in gaps of the tape.
struct SpoolReplayCommand: Equatable, Sendable {
    var name: String
    var place: SpoolPlace
    var target: TapeTarget
    var isConfirmed = false
    var asJSON = false
}

extension SpoolReplayCommand {
    init(_ given: CommandArguments) throws(ToolError) {
        self.init(
            name: given.words[0],
            place: SpoolPlace(
                folder: try given.one("--folder"), home: try given.one("--home"),
                stack: try given.one("--name")),
            target: try TapeTarget(given), isConfirmed: given.isConfirmed,
            asJSON: given.asJSON)
    }
}

/// The folder in which gateways keep their spools.
struct SpoolPlace: Equatable, Sendable {
    static let key = "GATEWAY_SPOOL"

    var folder: String?
    /// The local stack whose spools are meant when `folder` is `nil`.
    var home: String?
    var stack: String?
}

extension SpoolPlace {
    init(_ given: CommandArguments) throws(ToolError) {
        self.init(
            folder: try given.one("--folder"), home: try given.one("--home"),
            stack: try given.one("--name"))
        guard folder == nil || stack == nil else {
            throw .usage("--name is a local stack and --folder any folder: give one of them")
        }
    }

    /// Returns the folder: `--folder`, else that of the named stack, else GATEWAY_SPOOL, else that
    /// of the only stack that is up, else that of the stack `default`.
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
        if stack == nil, let up = try Stack.up(in: checkout, Terminal()) { return up.home.spool }
        return try StackHome(checkout: checkout, name: stack ?? StackHome.defaultName).spool
    }
}
