import Primitives
import ServiceRuntime

/// A command as its arguments ask for it. All that belongs to a command stands in its type: the
/// page, from which arguments, help and completions follow, how it reads its arguments, and what it
/// does. `Commands.all` lists the types.
protocol ToolCommand: Equatable, Sendable {
    static var page: CommandPage { get }
    static func read(_ given: CommandArguments) throws(ToolError) -> Self
    func run(_ tool: Tool) throws(ToolError) -> ExitCode
}

extension ToolCommand {
    /// Reads the arguments after the command's word.
    static func parse(
        _ arguments: [String], now: Timestamp = SystemClock().now()
    ) throws(ToolError) -> Self {
        try read(CommandArguments(page, arguments, now: now))
    }
}

/// The list of the commands, in the order of the help.
enum Commands {
    static let all: [any ToolCommand.Type] = [
        DemoCommand.self, UpCommand.self, DownCommand.self, StatusCommand.self, LogsCommand.self,
        OpenCommand.self, ServiceCommand.self, GraphCommand.self,
        LatestCommand.self, BarsCommand.self, TailCommand.self, GapsCommand.self,
        ExportCommand.self,
        PsqlCommand.self, URLCommand.self, EnvironmentCommand.self,
        FeedCommand.self, WatchlistCommand.self, SourceCommand.self, LoadCommand.self,
        RecordCommand.self, ReplayCommand.self,
        DoctorCommand.self, WatchCommand.self, TapeCommand.self, MembersCommand.self,
        PageCommand.self, BundleCommand.self,
        AuditCommand.self, ProveCommand.self, ExplainCommand.self, TraceCommand.self,
        QualityCommand.self, ReconcileCommand.self,
        RepairCommand.self, TradeCommand.self, DlqCommand.self, SpoolCommand.self,
        SetupCommand.self, MayICommand.self, MemberCommand.self, GroupsCommand.self,
        PartitionCommand.self, PositionCommand.self, StoreCommand.self, ServerCommand.self,
        BucketsCommand.self, ActionsCommand.self, SecretsCommand.self,
        CompletionsCommand.self, VersionCommand.self, HelpCommand.self,
        SuperviseCommand.self,
    ]

    /// The pages that the help has.
    static let pages = all.map { $0.page }.filter { $0.group != nil }

    static func page(of word: String) -> CommandPage? { pages.first { $0.word == word } }

    /// Reads `arguments`, which do not include the program's name.
    static func parse(
        _ arguments: [String], now: Timestamp = SystemClock().now()
    ) throws(ToolError) -> any ToolCommand {
        guard let word = arguments.first else { return StartCommand() }
        if arguments.contains("--help") || arguments.contains("-h") {
            guard !word.hasPrefix("-"), word != HelpCommand.page.word else {
                return HelpCommand(word: nil)
            }
            return HelpCommand(word: try known(word).word)
        }
        if word == "--version" { return VersionCommand() }
        guard let command = all.first(where: { $0.page.word == word }) else {
            throw unknown(word)
        }
        return try command.parse(Array(arguments.dropFirst()), now: now)
    }

    /// Returns the page of a word. Throws with the nearest word if there is none.
    static func known(_ word: String) throws(ToolError) -> CommandPage {
        guard let page = page(of: word) else { throw unknown(word) }
        return page
    }

    private static func unknown(_ word: String) -> ToolError {
        let near = NearestName.of(word, in: pages.map(\.word))
        return .usage(
            "'\(word.prefix(64))' is no command"
                + (near.map { ": did you mean '\($0)'?" } ?? ""))
    }
}
