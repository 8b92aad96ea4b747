/// The command that loads what happened before.
extension HelpPage {
    static let load = HelpTopic(
        "load", .recordings,
        [
            (
                "load PROVIDER SYMBOL... --from TIME --to TIME",
                [
                    "put the trades or bars of the past of binance, alpaca, massive or ibkr onto",
                    "the tape, in the order of time, as a source of its own; says first what it",
                    "takes, and asks. After a stop or a kill the same command goes on where it",
                    "was (docs/history.md).",
                    "Without a local stack, LOAD_NATS_USER and LOAD_NATS_PASSWORD name the",
                    "gateway's user of NATS",
                ]
            )
        ]
    ).with(
        [
            HelpTopic.Option(
                "--bars LENGTH",
                "the provider's own bars and not its trades, as 1m or 1d"
            ),
            HelpTopic.Option(
                "--instruments FILE",
                "with ibkr: the list that names the contracts; else that of the stack's",
                "gateways, and a symbol in none is a stock at SMART in USD"),
            HelpTopic.Option(
                "--source NAME",
                "PROVIDER-history if not given. A source is loaded forward in time: an earlier",
                "range needs another one, as binance-history-2"),
            zone, yes,
            HelpTopic.Option("--print", "only say what to run, for a shell; nothing is noted"),
            json,
        ] + place,
        examples: [
            "tapeline load binance BTCUSDT --from 2026-11-01 --to 2026-11-08",
            "tapeline load binance BTCUSDT --bars 1d --from 2025-11-01 --to 2026-11-01",
            "tapeline load ibkr AAPL MSFT --from 2026-11-02 --to 2026-11-07",
            "tapeline load binance BTCUSDT ETHUSDT --from 2026-10-01 --to 2026-11-01 --yes \\",
            "    --source binance-history-2 --json",
        ])
}
