import ServiceRuntime

/// `tapeline psql`: psql on the tables of a local stack, as a user that can only read.
struct PsqlCommand: ToolCommand {
    var target = StackTarget()
    /// What psql is given.
    var arguments: [String] = []

    static let page = CommandPage(
        "psql", .data, "read the tables of a stack with psql", on: .stack, words: .foreign,
        """
        psql [ARGUMENT...]
            read the views with psql (\\dv+ lists them), as a user that can change
            nothing. --name and --home come first; what follows goes to psql
        $ tapeline psql
        $ tapeline psql -c "SELECT * FROM latest_trades"
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> PsqlCommand {
        PsqlCommand(target: try StackTarget(given), arguments: given.words)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let stack = try tool.readableStack(target)
        let access = try ReaderAccess(stack)
        let environment = try FileSystem.ownEnvironment().filter { !$0.key.hasPrefix("PG") }
            .merging(access.environment(withPassword: false)) { $1 }
        do throws(ServiceError) {
            try ProgramChange.run(
                stack.checkout.databaseProgram("psql"), arguments, environment: environment)
        } catch {
            throw .runtime(error)
        }
    }
}

/// `tapeline url`: the URL of the tables, or of NATS, of a local stack.
struct URLCommand: ToolCommand {
    var target = StackTarget()
    var isOfNats = false
    var withPassword = false

    static let page = CommandPage(
        "url", .data, "the URL of the tables, or of NATS, of a stack", on: .stack,
        also: [.withPassword],
        """
        url [--with-password]
            the URL by which programs read the tables, for pandas.read_sql and such.
            The password stays in a file that the URL names, unless you ask for it
        url nats [--with-password]
            the URL of NATS for programs that hear what is published live or read the
            tape, with the user 'consumer'. 'tapeline up' names its password's file
        $ psql "$(tapeline url)"
        $ tapeline url nats --with-password
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> URLCommand {
        URLCommand(
            target: try StackTarget(given), isOfNats: given.verb == "nats",
            withPassword: given.has("--with-password"))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let stack = try tool.readableStack(target)
        if isOfNats {
            return try tool.say(ConsumerAccess(stack).url(withPassword: withPassword))
        }
        return try tool.say(ReaderAccess(stack).url(withPassword: withPassword))
    }
}

/// `tapeline env`: the access to the tables as variables of a shell.
struct EnvironmentCommand: ToolCommand {
    var target = StackTarget()
    var withPassword = false

    static let page = CommandPage(
        "env", .data, "the same as variables of a shell", on: .stack, also: [.withPassword],
        """
        env [--with-password]
            the same as variables of libpq, for a shell: PGHOST, PGPORT, PGUSER ...
            With them 'service=tapeline' (of another stack: tapeline-NAME) is a
            complete connection string, too
        $ eval "$(tapeline env)" && psql
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> EnvironmentCommand {
        EnvironmentCommand(
            target: try StackTarget(given), withPassword: given.has("--with-password"))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let access = try ReaderAccess(tool.readableStack(target))
        return tool.say(access.exports(withPassword: withPassword).joined(separator: "\n"))
    }
}

extension Tool {
    /// Returns a stack whose tables can be read.
    fileprivate func readableStack(_ target: StackTarget) throws(ToolError) -> Stack {
        let stack = try stackThatIsUp(target)
        guard try stack.isUp() else {
            throw .usage(
                "the stack \(stack.home.name) is not up: start it with "
                    + "'\(stack.home.command("up"))'")
        }
        return stack
    }
}
