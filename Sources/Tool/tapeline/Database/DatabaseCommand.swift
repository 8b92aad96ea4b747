import ServiceRuntime

/// `tapeline psql`, `url` and `env`: access to the tables and to NATS of a local stack for a person
/// or a program.
struct DatabaseCommand: Equatable, Sendable {
    enum Form: Equatable, Sendable {
        /// The arguments that psql is given.
        case psql([String])
        case url(withPassword: Bool)
        case natsURL(withPassword: Bool)
        case environment(withPassword: Bool)
    }

    var target = ToolCommand.Target()
    let form: Form

    static let words = ["psql", "url", "env"]

    static func parse(
        _ word: String, _ arguments: [String]
    ) throws(ToolError) -> DatabaseCommand {
        if word == "psql" { return try psql(arguments) }
        let arguments = try CommandArguments(
            word, arguments, .init(values: ToolCommand.Target.options, flags: ["--with-password"]))
        let isShown = arguments.has("--with-password")
        let form: Form
        if word == "env" {
            try arguments.requireWords(0, "options only")
            form = .environment(withPassword: isShown)
        } else if arguments.words == ["nats"] {
            form = .natsURL(withPassword: isShown)
        } else {
            try arguments.requireWords(0, "options, and 'nats' for the URL of NATS")
            form = .url(withPassword: isShown)
        }
        return DatabaseCommand(target: try .init(arguments), form: form)
    }

    /// Our own options come first; the rest are psql's.
    private static func psql(_ arguments: [String]) throws(ToolError) -> DatabaseCommand {
        var target = ToolCommand.Target()
        var rest = arguments[...]
        while let option = rest.first, ["--home", "--name"].contains(option) {
            guard let value = rest.dropFirst().first else {
                throw .usage("\(option) wants a value")
            }
            if option == "--home" { target.home = value } else { target.name = value }
            rest = rest.dropFirst(2)
        }
        if rest.first == "--" { rest = rest.dropFirst() }
        return DatabaseCommand(target: target, form: .psql(Array(rest)))
    }

    func run(_ stack: Stack, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        guard try stack.isUp() else {
            throw .usage(
                "the stack \(stack.home.name) is not up: start it with "
                    + "'\(stack.home.command("up"))'")
        }
        let access = try ReaderAccess(stack)
        switch form {
        case .natsURL(let withPassword):
            terminal.line(try ConsumerAccess(stack).url(withPassword: withPassword))
        case .url(let withPassword): terminal.line(access.url(withPassword: withPassword))
        case .environment(let withPassword):
            for line in access.exports(withPassword: withPassword) { terminal.line(line) }
        case .psql(let arguments):
            let environment = try FileSystem.ownEnvironment().filter { !$0.key.hasPrefix("PG") }
                .merging(access.environment(withPassword: false)) { $1 }
            do throws(ServiceError) {
                try ProgramChange.run(
                    stack.checkout.databaseProgram("psql"), arguments, environment: environment)
            } catch {
                throw .runtime(error)
            }
        }
        return .success
    }
}
