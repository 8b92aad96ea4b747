/// The commands that look at a whole deployment at once.
extension HelpPage {
    private static let service = HelpTopic.Option(
        "--service HOST:PORT",
        "the operations page of a service; may be repeated. Those of a local",
        "stack are known")

    static let careTopics = [
        HelpTopic(
            "feed", .tape,
            [
                (
                    "feed try PROVIDER SYMBOL",
                    [
                        "connect to a provider, take ten ticks, and say whether it works: ibkr,",
                        "binance, alpaca, massive, synthetic, fred, coingecko or alternative-me",
                        "(one value is enough), or replay with a recording instead of a symbol. It",
                        "needs no NATS and no stack, and puts nothing on a tape. Settings come",
                        "from the environment of the services: 0 it works, 1 it refuses the",
                        "symbol, or the settings are wrong, 2 connected, but too few ticks, 69 not",
                        "reachable",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--ticks N", "so many ticks, 10 if not given"),
                HelpTopic.Option("--seconds N", "wait so long at most, 30 if not given"),
                HelpTopic.Option(
                    "--set KEY=VALUE", "a setting of the gateway, such as IBKR_PORT=7496"),
                HelpTopic.Option(
                    "--report FILE",
                    "write what came, the settings and the log into a file that can",
                    "be sent. Secrets are taken out; prices and names of hosts are not"),
                json,
            ],
            examples: [
                "tapeline feed try binance BTCUSDT",
                "tapeline feed try ibkr SPY --set IBKR_PORT=7497 --report feed.json",
                "tapeline feed try replay day.recording --ticks 100",
            ]),
        HelpTopic(
            "doctor", .tape,
            [
                (
                    "doctor",
                    [
                        "look at all that a deployment needs: this machine, NATS, streams,",
                        "database, Valkey, services and alerts; their versions, rights, room,",
                        "durability and clocks. Each finding says what to do. It changes nothing,",
                        "and says what it could not look at: 0 all in order, 1 something is wrong,",
                        "2 nothing is wrong, but there are warnings, or something was not seen",
                    ]
                )
            ]
        ).with(
            [
                service,
                HelpTopic.Option("--prometheus HOST:PORT", "the Prometheus with the alerts"),
                HelpTopic.Option(
                    "--feed PROVIDER/SYMBOL", "try this provider, too; may be repeated"),
                json,
            ] + place,
            examples: [
                "tapeline doctor",
                "tapeline doctor --feed binance/BTCUSDT",
                "NATS_URL=nats://nats.example:4222 tapeline doctor --service writer.example:9103",
            ]),
        HelpTopic(
            "support-bundle", .tape,
            [
                (
                    "support-bundle [-o FILE.tar.gz]",
                    [
                        "write one file for a person who helps: the doctor's findings, versions,",
                        "settings, states, metrics, the ends of logs, sizes of tables. The list of",
                        "what is inside comes first. Passwords and other secrets are taken out;",
                        "symbols, prices and names of hosts are not: look at it before you send it",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option(
                    "-o FILE.tar.gz", "a file that is not there yet; if not given,",
                    "tapeline-support-TIME.tar.gz in the present folder"),
                service,
                HelpTopic.Option("--prometheus HOST:PORT", "the Prometheus with the alerts"),
            ] + place,
            examples: ["tapeline support-bundle", "tapeline support-bundle -o /tmp/ours.tar.gz"]),
    ]
}
