/// The commands about bars, rows and recordings, and those about the tool itself.
extension HelpPage {
    static let barTopics = [
        HelpTopic(
            "bars", .bars,
            [
                (
                    "bars SYMBOL SERIES",
                    [
                        "the newest stored bars in their last versions, with what is to be known",
                        "of each: partial, of two providers, changed since it was closed",
                    ]
                ),
                (
                    "bars --rewritten [SYMBOL...]",
                    [
                        "how many bars changed after they were published, by series and reason,",
                        "and how long after it; of windows from --from (a day ago) to --to (now)",
                    ]
                ),
            ]
        ).with(
            [
                HelpTopic.Option("--last N", "so many (30)"),
                source,
                HelpTopic.Option(
                    "--as-of TIME", "as they were known then; refused where that is not certain"),
                HelpTopic.Option("--uncertain", "with --as-of: mark such bars instead"),
                zone,
                HelpTopic.Option("--chart", "draw candles, of one source"),
                HelpTopic.Option("--json", "an object per line, numbers exact"),
            ] + place,
            examples: [
                "tapeline bars AAPL 1m --last 60 --source ibkr --chart",
                "tapeline bars AAPL 1m --as-of 2026-11-20T10:31:00Z",
                "tapeline bars AAPL 1m --as-of 10:31 --zone America/New_York",
                "tapeline bars --rewritten AAPL --from today",
            ]),
        HelpTopic(
            "gaps", .bars,
            [
                (
                    "gaps [SYMBOL...]",
                    [
                        "what is missing now, a line per stretch of time: open, being filled from",
                        "the provider's history, or abandoned; and when feeds began, as bars of",
                        "that moment are partial without a gap. 1: nothing of a symbol is stored",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--last N", "the newest ones (100)"),
                source,
                HelpTopic.Option("--json", "an object per line"),
            ] + place,
            examples: ["tapeline gaps", "tapeline gaps AAPL --source ibkr --json"]),
        HelpTopic(
            "export", .bars,
            [
                (
                    "export bars|trades|quotes [SYMBOL...] --from TIME",
                    [
                        "rows of that time as CSV, numbers exact, in the order of time: what the",
                        "views of the database say (docs/data.md)",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--to TIME", "not longer than that (now)"),
                zone,
                HelpTopic.Option("--series S,...", "bars: only these"),
                source,
                HelpTopic.Option(
                    "-o FILE", "a file that is not there yet; none or -: standard output"),
            ] + place,
            examples: [
                "tapeline export bars AAPL SPY --series 1m --from today -o bars.csv",
                "tapeline export trades AAPL --source ibkr --from -10m | head",
                "tapeline export bars SPY --zone America/New_York --from 09:30 --to 10:30",
            ]),
        HelpTopic(
            "prove", .bars,
            [
                (
                    "prove [SYMBOL...] --from TIME [--to TIME]",
                    [
                        "compute the bars of that time (without --to: up to now) again, from the",
                        "tape and from the stored ticks, by the operators' OPERATOR_GRAPH or",
                        "OPERATOR_SERIES (of a local stack: those with which it was started), and",
                        "compare them with the stored ones: 0 equal, 1 not, 2 equal as far as the",
                        "tape still reaches, or no bar at all in that time",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--series S,...", "only these"),
                HelpTopic.Option("--table-only", "from the stored ticks alone"),
                zone, json,
            ] + place,
            examples: ["tapeline prove AAPL --from -2h --to -1h"]),
        HelpTopic(
            "explain", .bars,
            [
                (
                    "explain SYMBOL SERIES TIME",
                    [
                        "the bar that holds this time: every tick of its window with what it",
                        "did to the bar and why, which one set open, high, low and close, its",
                        "versions, the gaps over it, and what a proof says: 0 it is what its",
                        "ticks make, 1 it is not, 2 the tape does not reach back so far, and the",
                        "stored ticks make it",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--source NAME", "the bar of this source or group"),
                HelpTopic.Option("--table-only", "from the stored ticks alone"),
                zone, json,
            ] + place,
            examples: [
                "tapeline explain AAPL 1m 2026-11-20T14:31:00Z --source ibkr",
                "tapeline explain AAPL 1m -10m --json",
                "tapeline explain AAPL 1m 09:31 --zone America/New_York",
            ]),
        HelpTopic(
            "quality", .bars,
            [
                (
                    "quality --day DAY",
                    [
                        "a day of UTC by symbol and source: ticks, late ones, duplicates, changed",
                        "and fetched ones, bars, partial and rewritten ones, missing and silent",
                        "time, with rates per million, and refused rows. 0 nothing is missing,",
                        "1 something is, 2 there is nothing to judge",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--symbols A,B", "only these"),
                HelpTopic.Option("--source NAME", "only this source or group"),
                HelpTopic.Option("--silent N", "seconds without a tick that count (300)"),
                HelpTopic.Option("--html FILE", "write a page with plots, too"),
                json,
            ] + place,
            examples: ["tapeline quality --day yesterday --html yesterday.html"]),
        HelpTopic(
            "reconcile", .bars,
            [
                (
                    "reconcile --day DAY [SYMBOL...]",
                    [
                        "the volume of the trades that count beside that of the provider's own",
                        "bars which open in that day of UTC. A difference is explained by kind",
                        "before it is judged: gaps, odd lots, trades out of the session,",
                        "unreported, delayed, late or cancelled ones, units of lots. 0 all equal",
                        "or explained, 1 a difference is not, 2 not all could be judged, or there",
                        "was nothing to compare",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--source NAME", "only this source"),
                HelpTopic.Option(
                    "--tolerance PPM",
                    "what is no difference, in millionths of the provider's volume (100)"),
                json,
            ] + place,
            examples: [
                "tapeline reconcile --day yesterday",
                "tapeline reconcile --day 2026-11-20 AAPL SPY --source ibkr --json",
            ]),
        HelpTopic(
            "repair", .bars,
            [
                (
                    "repair SYMBOL --from TIME --to TIME",
                    [
                        "have the bars of that time computed again from the tape, with what came",
                        "late, was taken back, corrected or filled in; they get new versions.",
                        "It is also the way to accept late ticks that are listed (late_ticks)",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--source NAME", "only the bars of this source, not those of all sources"),
                HelpTopic.Option(
                    "--reason repair|bust|gap|backfill, --note TEXT",
                    "what the new versions say about why"),
                HelpTopic.Option(
                    "--wait",
                    "until the new versions are stored (without a database: are on the tape),",
                    "--timeout seconds at most: 0 done, 1 refused with the reason, 2 in part,",
                    "75 not yet"),
                HelpTopic.Option("--dry-run", "say what would be asked for"),
                zone, yes, json,
            ] + place,
            examples: [
                "tapeline repair AAPL --from -2h --to -1h --note \"late feed\" --wait",
                "tapeline repair AAPL --source ibkr --from -2h --to -1h",
            ]),
        HelpTopic(
            "trade", .bars,
            [
                (
                    "trade cancel|correct|restore SOURCE/PARTITION/ORDINAL --note TEXT",
                    [
                        "have one trade count no more, with another price or size, or again as it",
                        "came. 'tapeline tail' and the column tick_id show addresses. Shows the",
                        "trade and its bars first; who, why and when are kept (view trade_changes)",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--price P, --size S", "of a correction; one not given stays"),
                HelpTopic.Option(
                    "--wait",
                    "until the change and its new versions are stored (without a database: are",
                    "on the tape), --timeout seconds at most: 0 done, 1 refused with the reason,",
                    "75 not yet"),
                HelpTopic.Option("--dry-run", "show the trade and its bars"),
                yes, json,
            ] + place,
            examples: [
                "tapeline trade cancel ibkr/3/1042 --note \"busted by NASDAQ\" --wait",
                "tapeline trade correct ibkr/3/1042 --price 231.25 --note \"typed wrong\"",
                "tapeline trade restore ibkr/3/1042 --note \"it was the other one\"",
            ]),
        HelpTopic(
            "dlq", .bars,
            [
                (
                    "dlq list | show ID... | export FILE|-",
                    ["rows that the database refused: by reason and table, in full, as NDJSON"]
                ),
                (
                    "dlq replay ID...|--all | drop ID...|--all",
                    ["store them where they are not stored; take them off their stream"]
                ),
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--reason data|undecodable|out_of_range|future, --sink TABLE", "only these"),
                HelpTopic.Option(
                    "--since TIME, --until TIME",
                    "only those that were noted then: 2026-11-20T14:30:00Z, today, -10m"),
                zone,
                HelpTopic.Option("--all", "list: one by one; replay, drop: all of them"),
                HelpTopic.Option(
                    "--file FILE",
                    "letters of a file (an export, or what a writer kept that could not",
                    "reach NATS) instead of the stream"),
                HelpTopic.Option("--dry-run", "replay: say what would be stored; store nothing"),
                yes, json,
            ] + place,
            examples: [
                "tapeline dlq list --since -1d --sink trades --all",
                "tapeline dlq replay ticks/3/synthetic/1041/1 --dry-run",
            ]),
    ]

    static let recordingTopics = [
        HelpTopic(
            "record", .recordings,
            [
                (
                    "record -o FILE [--source S] [--from TIME] [--to TIME] [--symbols A,B]",
                    ["write what a source put on the tape into a file, and its bars"]
                )
            ]
        ).with([HelpTopic.Option("--no-bars"), zone, json] + place),
        HelpTopic(
            "replay", .recordings,
            [
                ("replay FILE --to-namespace NAME", []),
                (
                    "replay --from-namespace NAME --to-namespace NAME [--from TIME] [--to TIME]",
                    [
                        "put it on the tape of another namespace, also one with other partitions;",
                        "after a stop or a kill the same command goes on where it was",
                    ]
                ),
            ]
        ).with(
            [
                // ReplayHelp, the page of both commands, says what they mean.
                HelpTopic.Option("--source NAME, --symbols A,B"),
                HelpTopic.Option("--speed 1|N|full, --shift now, --partitions N, --print"),
                zone, json,
            ] + place),
    ]

    static let toolTopics = [
        HelpTopic(
            "completions", .tool,
            [
                (
                    "completions bash|zsh|fish",
                    ["a script by which the shell completes commands and options"]
                )
            ]
        ).with(
            [],
            examples: [
                "eval \"$(tapeline completions bash)\"", "tapeline completions fish | source",
            ]),
        HelpTopic("version", .tool, [("version", ["the version and the revision of this tool"])]),
        HelpTopic(
            "help", .tool, [("help [COMMAND]", ["this page, or the page of one command"])]),
    ]
}
