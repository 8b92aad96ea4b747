import Primitives
import ServiceRuntime

/// The text that `tapeline help` and `tapeline help COMMAND` print.
enum HelpPage {
    static let text = """
        tapeline \(ProductVersion.text): runs Tapeline on this machine, and looks at any tape

        Usage: tapeline COMMAND [OPTION]...
               tapeline COMMAND --help

        \(groups)

        Which tape
        \(places)

        Exit codes
        \(codes)

        'tapeline COMMAND --help' lists the options of a command, with examples.
        """

    /// Returns the page of one command, or `nil` if there is no such command.
    static func text(of word: String) -> String? { Commands.page(of: word)?.text }

    private static let groups = CommandPage.Group.allCases.map { group in
        ([group.rawValue] + Commands.pages.filter { $0.group == group }.map(\.line))
            .joined(separator: "\n")
    }.joined(separator: "\n\n")

    private static let places = """
          --name NAME       a local stack; without it, the only one that is up
          --nats URL        any server. NATS_URL does the same. The other settings come from the
                            environment of the services: NATS_USER, NATS_PASSWORD(_FILE),
                            NATS_TLS_*, MDS_NAMESPACE, MDS_PARTITIONS, POSTGRES_* and
                            NATS_MONITOR_URL
        """

    private static let codes =
        [
            ExitCode.success, .failure, .incomplete, .usage, .dataError, .unavailable, .ioError,
            .temporary, .interrupted,
        ]
        .map { "  \("\($0.rawValue)".padded(to: 5)) \(meaning($0))" }
        .joined(separator: "\n")

    private static func meaning(_ code: ExitCode) -> String {
        switch code {
        case .success: "it is done; status: everything works; verify: all positions hold"
        case .failure: "it failed, or was not agreed to; status, verify: something is wrong"
        case .usage: "the arguments are wrong; nothing was done"
        case .dataError: "a file of the stack is damaged; tail: holes or unreadable packets"
        case .unavailable: "a program is missing, or a server does not answer"
        case .ioError: "reading or writing failed, or the disk is full"
        case .temporary: "another command is at work, no port is free, or it is not done yet"
        default: code.meaning
        }
    }
}

/// `tapeline help [COMMAND]`.
struct HelpCommand: ToolCommand {
    /// `nil` means the complete page.
    let word: String?

    static let page = CommandPage(
        "help", .tool, "this page, or the page of one command", on: .nowhere,
        """
        help [COMMAND]
            this page, or the page of one command
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> HelpCommand {
        guard let word = given.words.first else { return HelpCommand(word: nil) }
        return HelpCommand(word: try Commands.known(word).word)
    }

    func run(_ tool: Tool) -> ExitCode {
        tool.say(word.flatMap(HelpPage.text(of:)) ?? HelpPage.text)
    }
}

/// `tapeline version`.
struct VersionCommand: ToolCommand {
    static let page = CommandPage(
        "version", .tool, "the version and the revision of this tool", on: .nowhere,
        """
        version
            the version and the revision of this tool
        """)

    static func read(_ given: CommandArguments) -> VersionCommand { VersionCommand() }

    func run(_ tool: Tool) -> ExitCode { tool.say(ProductVersion.line("tapeline")) }
}
