/// The commands about a local stack.
extension HelpPage {
    private static let name = HelpTopic.Option(
        "--name NAME", "the stack, 'default' if not given; several run side by side")
    private static let home = HelpTopic.Option(
        "--home FOLDER", "the checkout, if the tool is not in one")
    private static let set = HelpTopic.Option(
        "--set KEY=VALUE",
        "a configuration key of the services, such as SYNTHETIC_RATE=5000,",
        "GATEWAY_PROVIDER=ibkr or IBKR_PORT=7496. The simulated TWS has",
        "SIMULATOR_RATE, _SEED, _SYMBOLS and _TRUTH (a file)")

    static let stackTopics = [
        HelpTopic(
            "demo", .stack,
            [
                (
                    "demo",
                    [
                        "run the whole product on real servers for about 30 s, with a simulated",
                        "broker that goes away in the middle; then audit every row against what",
                        "the broker sent. Each run starts from nothing and stops what it started",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--seconds N", "how long the live part takes, 30 if not given (10 to 3600)"),
                HelpTopic.Option("--keep", "leave everything running"),
                set, name, home,
            ],
            examples: ["tapeline demo --seconds 60 --keep"]),
        HelpTopic(
            "up", .stack,
            [
                (
                    "up [PROVIDER=NAME]",
                    [
                        "check the configuration of all services; start NATS, PostgreSQL with",
                        "TimescaleDB, Valkey and the services; wait until all of them work, and",
                        "leave them running. It fails (1) if a service does not work in time, or",
                        "no feed of a broker delivers: then they are left running, too, so that",
                        "it can be mended ('tapeline status'). A stack whose ticks are of another",
                        "provider or source is not started: made-up ticks never get among real",
                        "ones.",
                        "PROVIDER=binance needs no account; PROVIDER=NAME is short for --set",
                        "GATEWAY_PROVIDER=NAME",
                    ]
                )
            ]
        ).with(
            [
                set,
                HelpTopic.Option(
                    "--settings FILE",
                    "such keys from a file, a KEY=VALUE per line as in default.env. Its paths",
                    "are relative to the file. Of two values of a key the later one counts. Those",
                    "of OPERATOR_, WRITER_ and COCKPIT_ keys stay with the stack until others are",
                    "given; an empty value takes one back"),
                HelpTopic.Option(
                    "--simulator",
                    "with a simulated TWS of Interactive Brokers, or with PROVIDER=binance,",
                    "alpaca or massive a simulated exchange. Without a list of instruments it",
                    "has those of a shipped list; --set SIMULATOR_SYMBOLS=AAPL,MSFT names",
                    "others"),
                HelpTopic.Option(
                    "--add-source",
                    "a further gateway, whose source, provider and settings are those given",
                    "here, beside those that the stack has: they start with their settings"),
                HelpTopic.Option(
                    "--servers-only", "without the services, to run one of them by hand"),
                name, home,
            ],
            examples: [
                "tapeline up PROVIDER=binance",
                "tapeline up PROVIDER=binance --simulator",
                "tapeline up --set SYNTHETIC_RATE=5000",
                "tapeline up --name desk --settings desk.env --set LOG_LEVEL=debug",
                "tapeline up --name tws --set GATEWAY_PROVIDER=ibkr --set IBKR_HOST=192.0.2.7",
                "tapeline up --simulator --add-source",
            ]),
        HelpTopic(
            "down", .stack, [("down", ["stop exactly what 'up' started; the data stay"])]
        ).with([name, home], examples: ["tapeline down --name tws"]),
        HelpTopic(
            "status", .stack,
            [
                (
                    "status",
                    [
                        "what runs where, whether the servers answer, and how the broker's",
                        "connection and feeds are, which limits of each provider are used, and",
                        "what waits for them until when. It fails unless everything works and,",
                        "where there is a broker, at least one feed delivers",
                    ]
                )
            ]
        ).with([json, name, home], examples: ["tapeline status --json"]),
        HelpTopic(
            "graph", .stack,
            [
                (
                    "graph apply FILE",
                    [
                        "give the workers of a stack another graph: say which series change,",
                        "ask, raise OPERATOR_GENERATION by one, start the workers again, and end",
                        "when they are ready. 1: they are not, or nobody agreed",
                    ]
                )
            ]
        ).with(
            [HelpTopic.Option("--yes", "do not ask"), name, home],
            examples: ["tapeline graph apply my.yaml --name mine"]),
        HelpTopic(
            "audit", .stack,
            [
                (
                    "audit [--day DAY | --from TIME [--to TIME] | --all]",
                    [
                        "prove that tape and database hold the same. Without options, by the",
                        "books of the writers, in seconds. With a day or a range: each of its",
                        "ticks once, each bar from its trades, and gaps and versions of bars as",
                        "the tape still has them. It says what it did not check; 2: NATS, or a",
                        "packet, could not be read, or no row of that time is stored.",
                        "OPERATOR_GRAPH says what comes before a series, if anything does; a local",
                        "stack knows it. Where NATS_URL names servers: theirs, after all gateways",
                        "have stopped",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--day DAY", "the rows of a day in UTC: 2026-11-20, today, yesterday"),
                HelpTopic.Option(
                    "--from TIME, --to TIME", "the rows of this time; up to now without --to"),
                zone,
                HelpTopic.Option("--all", "every row"),
                json, name, home,
            ], examples: ["tapeline audit --day today", "tapeline audit"]),
        HelpTopic(
            "logs", .stack,
            [
                (
                    "logs [PROCESS]...",
                    [
                        "what the processes say, in the order of time: all of them, or those whose",
                        "names begin so (operator-worker). Without --follow the last lines of each",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("-f, --follow", "go on with what they say next"),
                HelpTopic.Option("--last N", "lines of each process, 20 if not given"),
                HelpTopic.Option(
                    "--level LEVEL", "only lines of our programs of at least this level: debug,",
                    "info, warning, error"),
                name, home,
            ],
            examples: [
                "tapeline logs -f store-writer", "tapeline logs --level warning --last 100",
            ]),
        HelpTopic(
            "psql", .stack,
            [
                (
                    "psql [ARGUMENT]...",
                    [
                        "read the views with psql (\\dv+ lists them), as a user that can change",
                        "nothing. --name and --home come first; what follows goes to psql",
                    ]
                )
            ]
        ).with(
            [name, home],
            examples: [
                "tapeline psql",
                "tapeline psql -c \"SELECT * FROM latest_trades\"",
            ]),
        HelpTopic(
            "url", .stack,
            [
                (
                    "url [--with-password]",
                    [
                        "the URL by which programs read the tables, for pandas.read_sql and such.",
                        "The password stays in a file that the URL names, unless you ask for it",
                    ]
                ),
                (
                    "url nats [--with-password]",
                    [
                        "the URL of NATS for programs that hear what is published live or read the",
                        "tape, with the user 'consumer'. 'tapeline up' names its password's file",
                    ]
                ),
            ]
        ).with(
            [withPassword, name, home],
            examples: ["psql \"$(tapeline url)\"", "tapeline url nats --with-password"]),
        HelpTopic(
            "env", .stack,
            [
                (
                    "env [--with-password]",
                    [
                        "the same as variables of libpq, for a shell: PGHOST, PGPORT, PGUSER ...",
                        "With them 'service=tapeline' (of another stack: tapeline-NAME) is a",
                        "complete connection string, too",
                    ]
                )
            ]
        ).with([withPassword, name, home], examples: ["eval \"$(tapeline env)\" && psql"]),
    ]

    private static let withPassword = HelpTopic.Option(
        "--with-password", "print the password itself, not the file that has it")
}
