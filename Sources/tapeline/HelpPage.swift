import ServiceRuntime

/// What `tapeline help` prints.
enum HelpPage {
    static let version = "0.1.0"

    static let text = """
        tapeline \(version): runs Tapeline on this machine and looks at it

        Usage: tapeline COMMAND [OPTION]...

        Commands
          demo      a whole run with made-up ticks on real servers, about 30 s, then an audit
                    of every row; it begins anew each time and stops what it started
          up        start NATS, PostgreSQL with TimescaleDB, Valkey and the services,
                    wait until all of them work, and leave them running
          down      stop exactly what 'up' started; the data stay
          status    what runs where; it fails unless everything works
          audit     prove that tape and database hold the same, and every bar from its trades
          version   the version of this tool
          help      this page

        Options
          --name NAME       the stack, 'default' if not given; several run side by side
          --home FOLDER     the checkout, if the tool does not lie in it
          --servers-only    up: without the services, to run one of them by hand
          --set KEY=VALUE   up, demo: a configuration key of the services, such as
                            SYNTHETIC_RATE=5000
          --seconds N       demo: how long the live part takes, 30 if not given
          --keep            demo: leave everything running
          --json            status, audit: for programs

        Everything of a stack lies in .local/stack/NAME of the checkout: data, logs, passwords.
        A stack listens on 127.0.0.1 only.

        Exit codes
        \(codes)
        """

    private static let codes =
        [
            ExitCode.success, .failure, .usage, .dataError, .unavailable, .ioError, .temporary,
            .interrupted,
        ]
        .map { "  \("\($0.rawValue)".padded(to: 5)) \(meaning($0))" }
        .joined(separator: "\n")

    private static func meaning(_ code: ExitCode) -> String {
        switch code {
        case .success: "it is done; status: everything works"
        case .failure: "it failed; status: something does not work, or nothing is up"
        case .usage: "the arguments are wrong; nothing was done"
        case .dataError: "a file of the stack is damaged"
        case .unavailable: "a program is missing: see the message for what to make"
        case .ioError: "reading or writing failed, or the disk is full"
        case .temporary: "another command is at work, or no port is free: try again"
        default: code.meaning
        }
    }
}
