/// The commands about a tape.
extension HelpPage {
    static let place = [
        HelpTopic.Option("--name NAME", "a local stack; without it, the one that is up"),
        HelpTopic.Option("--nats URL", "any server; NATS_URL does the same"),
    ]
    static let json = HelpTopic.Option(
        "--json", "for programs: one object. Decimals are texts with all their digits;",
        "times are given as ISO text and as nanoseconds")
    static let zone = HelpTopic.Option(
        "--zone ZONE", "days and times without a zone are of this one, such as",
        "America/New_York; without it, of UTC")
    static let yes = HelpTopic.Option("--yes", "do not ask")
    static let source = HelpTopic.Option(
        "--source NAME", "only this source, not all of them: of bars the group's name where the",
        "graph has groups, of ticks and gaps the member's")

    static let tapeTopics = [
        setup,
        HelpTopic(
            "watch", .tape,
            [
                (
                    "watch",
                    [
                        "rates, lag, owners, watermarks and headroom on one screen, redrawn. The",
                        "first lines say whether all is good, else what is wrong and which runbook",
                        "helps. Keys: q ends, p pauses, h helps. NO_COLOR: without colours",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--interval N", "seconds from look to look, 1 if not given"),
                HelpTopic.Option("--once", "one look (two, for the rates), then it ends"),
                HelpTopic.Option(
                    "--source NAME",
                    "the ticks of this source, and how far groups are behind them"),
                json,
            ] + place,
            examples: [
                "tapeline watch", "tapeline watch --source ibkr", "tapeline watch --once --json",
            ]),
        HelpTopic(
            "members", .tape,
            [("members", ["groups, their members, and who owns which partition since when"])]
        ).with([json] + place, examples: ["tapeline members"]),
        member,
        mayI,
        actions,
        HelpTopic(
            "source", .tape,
            [
                (
                    "source list",
                    [
                        "the sources of the tape: provider, kind (real, delayed, simulated by this",
                        "stack, loaded or made up), alive, silent or retired, last packet,",
                        "partitions and gateways",
                    ]
                ),
                (
                    "source retire NAME",
                    [
                        "a source that does not come back: nothing waits for it any more, and no",
                        "alert reports it; refused while a gateway of it lives",
                    ]
                ),
                (
                    "source resume NAME",
                    ["take that back; the next gateway of the source does the same"]
                ),
            ]
        ).with([json] + place, examples: ["tapeline source list", "tapeline source retire old"]),
        watchlist,
        tail,
        HelpTopic(
            "tape", .tape,
            [
                (
                    "tape",
                    [
                        "streams, partitions, rates, readers and their lag, and whether an",
                        "acknowledgement means 'on disk'",
                    ]
                ),
                (
                    "tape verify",
                    [
                        "read each server's own copy of the tape, or that of --node: checksums,",
                        "ordinals, and each packet against the other copies; exit status 1 when",
                        "a copy is damaged, different or lacks something",
                    ]
                ),
            ]
        ).with(
            [
                HelpTopic.Option("--no-rate", "one look, not two with a second between"),
                HelpTopic.Option("--node NAME", "verify: only the copy on this server of NATS"),
                HelpTopic.Option(
                    "--rate N", "verify: read so many MiB a second of all copies together; 20"),
                HelpTopic.Option("--new", "verify: only what was not verified before"),
                json,
            ] + place,
            examples: [
                "tapeline tape", "NATS_URL=nats://nats.example:4222 tapeline tape",
                "tapeline tape verify --node nats-1 --rate 5",
            ]),
        HelpTopic(
            "partition", .tape,
            [
                (
                    "partition of SYMBOL",
                    ["the number of the symbol's partition, alone; needs no server"]
                ),
                (
                    "partition rebuild PARTITION...",
                    ["have its operator compute state and bars again from the tape"]
                ),
            ]
        ).with(
            [
                HelpTopic.Option("--partitions N", "of: how many there are, 32 if not given"),
                HelpTopic.Option("--timeout N", "rebuild: seconds to wait, 60 if not given"),
                yes,
            ] + place,
            examples: ["tapeline partition of \"SPY   261218C00500000\" --partitions 32"]),
        HelpTopic(
            "position", .tape,
            [
                (
                    "position show | verify | accept",
                    [
                        "where writer and operators have read to; whether the packets there are",
                        "still the same; go on after tape data were destroyed, saying exactly what",
                        "is lost",
                    ]
                ),
                (
                    "position raise",
                    [
                        "after NATS lost its disk, before any service starts: gateways and workers",
                        "continue after the ordinals and epochs that the database has; says what",
                        "is lost",
                    ]
                ),
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--input ticks|bars, --group writer|operator, --partition P",
                    "show, verify, accept: only these"),
                HelpTopic.Option("--dry-run", "raise: say what would be done"),
                yes, json,
            ] + place,
            examples: [
                "tapeline position verify || tapeline position accept",
                "tapeline setup && tapeline position raise",
            ]),
        HelpTopic(
            "database", .tape,
            [
                (
                    "database show | accept [HOST]",
                    [
                        "which server has the rows: writers use the one promoted last, and",
                        "refuse an earlier primary. 'accept' takes a server that was no copy of",
                        "it, after a move, an upgrade of PostgreSQL or a restore to a new server",
                    ]
                )
            ]
        ).with(
            [yes] + place,
            examples: ["tapeline database show", "tapeline database accept db-b:5432"]),
        HelpTopic(
            "groups", .tape,
            [
                (
                    "groups list | register GROUP | remove GROUP",
                    [
                        "which groups the tape is kept for: what a registered group has not read",
                        "is not purged, whether any of its members runs or not",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--reads ticks|bars",
                    "register: what it reads, ticks if not given; may be repeated"),
                yes, json,
            ] + place,
            examples: ["tapeline groups remove old-archive"]),
        buckets,
        HelpTopic(
            "spool", .tape,
            [
                (
                    "spool list",
                    ["what gateways could not put on the tape, in use and set aside"]
                ),
                (
                    "spool replay NAME",
                    ["put on the tape what a spool that was set aside has of the gaps there"]
                ),
            ]
        ).with(
            [
                HelpTopic.Option(
                    "--folder FOLDER",
                    "where the spools are; if not given, GATEWAY_SPOOL, or the local stack's"),
                yes, json,
            ] + place,
            examples: ["tapeline spool list"]),
    ]

    private static let buckets = HelpTopic(
        "buckets", .tape,
        [
            (
                "buckets export FILE",
                [
                    "write into a file what only NATS has, beside running services: people's",
                    "instruments, registered groups, loads, gaps that wait to be filled, and the",
                    "database's server. Dead letters: 'dlq export'. With POSTGRES_* the database",
                    "notes it, and writers show its age. 2: something was left out",
                ]
            ),
            (
                "buckets import FILE",
                [
                    "put back what the buckets do not have, after 'setup' made them again and",
                    "before services start. What is there stays, so it may be repeated. Gaps need",
                    "POSTGRES_*: one that was filled since the export is not put back",
                ]
            ),
        ]
    ).with(
        [
            HelpTopic.Option("--force", "export: replace the file if it is there"),
            HelpTopic.Option("--dry-run", "import: say what would be done"),
            yes, json,
        ] + place,
        examples: [
            "tapeline buckets export buckets.ndjson",
            "tapeline buckets export - >buckets.ndjson",
            "tapeline buckets import buckets.ndjson --dry-run",
        ])

    private static let setup = HelpTopic(
        "setup", .tape,
        [
            (
                "setup",
                [
                    "make the streams and buckets of a namespace on NATS, or enlarge them; to run",
                    "it again does no harm, and nothing is made smaller. MDS_NAMESPACE and",
                    "MDS_PARTITIONS say what is made, and MDS_REPLICAS with how many copies: 1, or",
                    "3 on a cluster of NATS. It adds copies while the services run, and takes none",
                    "away. 'up' does it. On a server with users the services wait, not ready,",
                    "until the user 'tool' has run it. A cluster that elects its leaders is waited",
                    "for, at most a minute",
                ]
            )
        ]
    ).with(
        [
            HelpTopic.Option(
                "--stream-bytes N",
                "what each of the tape's five streams may hold; MDS_STREAM_BYTES if not",
                "given, else 1GiB"),
            HelpTopic.Option(
                "--dead-letter-bytes N",
                "what the stream of dead letters may hold; WRITER_DEAD_LETTERS_BYTES if not",
                "given, else 64MiB"),
            json,
        ] + place,
        examples: [
            "NATS_URL=nats://nats.example:4222 NATS_USER=tool NATS_PASSWORD_FILE=secret "
                + "tapeline setup",
            "tapeline setup --stream-bytes 20GiB",
            "MDS_NAMESPACE=history MDS_PARTITIONS=64 tapeline setup",
            "MDS_REPLICAS=3 tapeline setup",
        ])

    private static let tail = HelpTopic(
        "tail", .tape,
        [("tail [SYMBOL]...", ["what is on the tape: from now on, or from a time or sequence"])]
    ).with(
        [
            HelpTopic.Option("--symbol S", "the same as SYMBOL"),
            HelpTopic.Option(
                "--partition P", "only this partition; may be repeated. 'all' is what is derived",
                "over all partitions"),
            HelpTopic.Option(
                "--kind K", "only this kind (trade, quote, bar, ...); may be repeated"),
            HelpTopic.Option(
                "--source NAME",
                "only this source: its ticks, and the bars, late ticks and values",
                "made of them; --live, too"),
            HelpTopic.Option(
                "--bars", "what is derived (bars, late ticks, values) instead of ticks"),
            HelpTopic.Option(
                "--control", "also the packets without ticks (markers, watermarks)"),
            HelpTopic.Option(
                "--from PLACE", "beginning, now, today, yesterday, 14:30, 2026-11-20,",
                "2026-11-20T14:30:00Z, -10m, or seq:N in one stream. Times are those at",
                "which the tape stored a packet; a day begins at midnight UTC. Without",
                "it, tail begins now if it follows, else at the start"),
            HelpTopic.Option("--until PLACE", "the end, likewise"),
            zone,
            HelpTopic.Option("--limit N", "so many ticks"),
            HelpTopic.Option(
                "--follow", "wait for more; tail does so without --until and --limit"),
            HelpTopic.Option(
                "--live", "trades, quotes and bars as the services publish them, bars of open",
                "windows among them; best effort"),
            HelpTopic.Option("--json, --csv", "one object per tick; with a header (RFC 4180)"),
        ] + place,
        examples: [
            "tapeline tail --symbol BRK.B --from -10m",
            "tapeline tail --bars --json --from beginning --until now > bars.ndjson",
            "tapeline tail --live --bars --symbol AAPL --source ibkr",
        ])
}
