import ServiceRuntime

/// `tapeline database show | accept [HOST]`: which server has the rows.
struct ServerCommand: ToolCommand {
    enum Verb: Equatable, Sendable {
        case show
        /// The server to take, as in POSTGRES_HOST; `nil`: the one that was promoted last.
        case accept(String?)
    }

    let verb: Verb
    var target = TapeTarget()
    var isConfirmed = false

    static let page = CommandPage(
        "database", .operation, "which server of the database writers use",
        also: [.yes.of("accept")],
        """
        database show
            which server has the rows: writers use the one promoted last, and refuse an earlier
            primary
        database accept [HOST]
            take a server that was no copy of it, after a move, an upgrade of PostgreSQL or a
            restore to a new server
        $ tapeline database show
        $ tapeline database accept db-b:5432
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ServerCommand {
        ServerCommand(
            verb: given.verb == "show" ? .show : .accept(given.words.first),
            target: try TapeTarget(given), isConfirmed: given.isConfirmed)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try ServerRun(command: self, terminal: tool.terminal).run(tool.deployment(target))
    }
}
