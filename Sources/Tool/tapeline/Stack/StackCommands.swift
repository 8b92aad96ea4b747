import Membership
import ServiceRuntime

/// `tapeline up`.
struct UpCommand: ToolCommand {
    var target = StackTarget()
    var options = Stack.UpOptions()
    var staysInForeground = false

    static let page = CommandPage(
        "up", .stack, "start a stack, and leave it running", on: .stack, also: [.set],
        """
        up [PROVIDER=NAME]
            check the configuration of all services; start NATS, PostgreSQL (of a checkout with
            TimescaleDB), Valkey and the services; wait until all of them work, and leave them
            running. It fails (1) if a service does not work in time, or no feed of a broker
            delivers: then they are left running, too, so that it can be mended ('tapeline status').
            A stack whose ticks are of another provider or source is not started: made-up ticks
            never get among real ones. PROVIDER=binance needs no account; PROVIDER=NAME is short for
            --set GATEWAY_PROVIDER=NAME
        --settings FILE
            such keys from a file, a KEY=VALUE per line as in default.env. Its
            paths are relative to the file. Of two values of a key the later one
            counts, and PROVIDER=NAME before all. Those of OPERATOR_, WRITER_ and
            COCKPIT_ keys stay with the stack until others are given; an empty
            value takes one back
        --simulator
            with a simulated TWS of Interactive Brokers, or with PROVIDER=binance, alpaca or
            massive a simulated exchange. Without a list of instruments it has those of a
            shipped list; --set SIMULATOR_SYMBOLS=AAPL,MSFT names others
        --add-source
            a further gateway, whose source, provider and settings are those given here,
            beside those that the stack has: they start with their settings
        --store STORE
            a further store, store-NAME: a writer, and a database of its own on the same
            server, or with store-NAME=http://USER@HOST:PORT/DATABASE one of ClickHouse,
            with store-NAME=questdb+http://HOST:PORT one of QuestDB; it stays with the
            stack, and settings of WRITER_ and STORE_ keys are for all stores. A password is
            in the file that --set CLICKHOUSE_PASSWORD_FILE= or QUESTDB_PASSWORD_FILE= names
        --servers-only
            without the services, to run one of them by hand
        --foreground
            stay with the stack, and stop it at Ctrl-C or SIGTERM: for what starts it
            ('tapeline service'). It goes on with all settings of the last start
        $ tapeline up PROVIDER=binance
        $ tapeline up PROVIDER=binance --simulator
        $ tapeline up --set SYNTHETIC_RATE=5000
        $ tapeline up --name desk --settings desk.env --set LOG_LEVEL=debug
        $ tapeline up --name tws --set GATEWAY_PROVIDER=ibkr --set IBKR_HOST=192.0.2.7
        $ tapeline up --simulator --add-source
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> UpCommand {
        UpCommand(
            target: try StackTarget(given), options: try Stack.UpOptions(given),
            staysInForeground: given.has("--foreground"))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let stack = try tool.stack(target)
        return staysInForeground
            ? try stack.upInForeground(options, shutdown: tool.signals())
            : try stack.up(options, shutdown: tool.signals())
    }
}

extension Stack.UpOptions {
    init(_ given: CommandArguments) throws(ToolError) {
        settings = try StackSettings(given)
        withServices = !given.has("--servers-only")
        withSimulator = given.has("--simulator")
        addsSource = given.has("--add-source")
        for word in given.all("--store") { try add(store: word) }
    }
}

extension StackSettings {
    private static let provider = "PROVIDER="

    /// Takes the settings in the order in which they were given: the later one of a key counts.
    init(_ given: CommandArguments) throws(ToolError) {
        self.init()
        let folder = FileSystem.resolved(".") ?? "."
        for (name, value) in given.options {
            switch name {
            case "--set": try add(SettingsFile.absolute(value, folder))
            case "--settings": try add(file: value)
            default: break
            }
        }
        for word in given.words {
            guard word.hasPrefix(Self.provider), word != Self.provider else {
                throw given.notTaken(word)
            }
            try add("GATEWAY_\(word)")
        }
    }

    private mutating func add(file path: String) throws(ToolError) {
        for entry in try SettingsFile.read(path) {
            do throws(ToolError) {
                try add(entry.text)
            } catch {
                throw .usage("\(path.prefix(200)) line \(entry.line): \(error)")
            }
        }
    }
}

/// `tapeline down`.
struct DownCommand: ToolCommand {
    var target = StackTarget()
    var removes = false
    var isConsented = false

    static let page = CommandPage(
        "down", .stack, "stop what 'up' started; the data stay", on: .stack,
        """
        down
            stop exactly what 'up' started; the data stay
        --remove
            and remove the stack with its data and logs; --name says which one
        --yes
            remove without asking
        $ tapeline down --name tws
        $ tapeline down --name demo --remove
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> DownCommand {
        DownCommand(
            target: try StackTarget(given), removes: given.has("--remove"),
            isConsented: given.has("--yes"))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        guard removes else { return try tool.stackThatIsUp(target).down() }
        let stack = try tool.stack(target)
        guard target.name != nil else {
            let names = try Stack.all(in: stack.checkout, tool.terminal).map(\.home.name)
            let known = names.isEmpty ? "none" : names.joined(separator: ", ")
            throw .usage("name the stack that is removed with --name; there are: \(known)")
        }
        let home = tool.environment["HOME"]
        if let unit = try ServiceUnit.written(for: stack.home, home: home) {
            throw .refused(
                "systemd would make the stack \(stack.home.name) again: run "
                    + "'\(unit.systemctl("disable --now \(unit.name)"))' and "
                    + "'\(stack.home.command("service remove"))' first, then this again")
        }
        let question = "remove the stack \(stack.home.name) with all its data?"
        if FileSystem.isFolder(stack.home.path),
            try !Confirmation.ask(question, isGiven: isConsented, tool.terminal)
        {
            return .success
        }
        return try stack.down(removing: true)
    }
}

/// `tapeline status`.
struct StatusCommand: ToolCommand {
    var target = StackTarget()
    var asJSON = false

    static let page = CommandPage(
        "status", .stack, "what runs where, and how the feeds are", on: .stack, also: [.json],
        """
        status
            what runs where, whether the servers answer, and how the broker's connection and feeds
            are, which limits of each provider are used, and what waits for them until when. It
            fails unless everything works and, where there is a broker, at least one feed delivers
        $ tapeline status --json
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> StatusCommand {
        StatusCommand(target: try StackTarget(given), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try tool.stackThatIsUp(target).status(asJSON: asJSON)
    }
}

/// `tapeline supervise`: the process that `up` starts.
struct SuperviseCommand: ToolCommand {
    var target = StackTarget()
    var options = Stack.UpOptions()

    static let page = CommandPage(
        "supervise", nil, "keeps the processes of a stack running", on: .stack, also: [.set],
        """
        supervise
        --servers-only
        --simulator
        --store STORE
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> SuperviseCommand {
        SuperviseCommand(target: try StackTarget(given), options: try Stack.UpOptions(given))
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try tool.stack(target).supervise(options, shutdown: tool.signals())
    }
}
