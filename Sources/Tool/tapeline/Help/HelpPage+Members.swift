/// The command about one member of a group.
extension HelpPage {
    static let member = HelpTopic(
        "member", .tape,
        [
            (
                "member drain NAME",
                [
                    "the process of that name hands over what it owns, in order, stays alive, and",
                    "takes nothing until it is released, also when it is started again under its",
                    "name. Refused for the last member of a group that can own partitions",
                ]
            ),
            (
                "member release NAME",
                ["take that back: the process takes its share of partitions again"]
            ),
        ]
    ).with(
        [
            HelpTopic.Option(
                "--group GROUP", "drain: only in this group; may be repeated. Without it, in all",
                "groups of the process: a gateway is in those of its sources and of the keepers"),
            HelpTopic.Option("--reason TEXT", "drain: why, for those who see it drained"),
            HelpTopic.Option(
                "--force", "drain: also if nobody else can own the partitions: nobody does then"),
            HelpTopic.Option(
                "--wait", "until it is done; 75 if it is not done in time, and the request stays.",
                "A drain then says how long the tape stood still meanwhile"),
            HelpTopic.Option("--timeout N", "with --wait: so many seconds, 120 if not given"),
            json,
        ] + place,
        examples: [
            "tapeline member drain worker-3 --reason 'new disk' --wait",
            "tapeline member release worker-3",
        ])

    static let mayI = HelpTopic(
        "may-i", .tape,
        [
            (
                "may-i restart NAME|GROUP",
                [
                    "whether the process of that name, or those of a group one after another, may",
                    "be started again now: 0 yes, 1 no, with a line on each reason. Others have to",
                    "be there to take over, all have to be ready, what is not read yet has to be",
                    "little, and NATS with its copies and the database have to answer",
                ]
            ),
            (
                "may-i upgrade NAME|GROUP [--to RELEASE]",
                [
                    "the same, and whether it may become one of that release, like 1.4.0 or",
                    "'1.4.0 (0123abcd)' (else that of this tool): all that comes before it in",
                    "docs/upgrade.md has to be of that release",
                ]
            ),
        ]
    ).with(
        [json] + place,
        examples: [
            "tapeline may-i restart operator-worker-b",
            "tapeline may-i restart writer --json",
            "tapeline may-i upgrade operator --to 1.4.0",
        ])

    static let actions = HelpTopic(
        "actions", .tape,
        [
            (
                "actions serve",
                [
                    "carry out what people ask for in the cockpit, until it is stopped: add and",
                    "remove instruments, repair, replay dead letters, drain and release members.",
                    "Each action is a record on the tape before it is carried out, and another one",
                    "with its outcome: tapeline tail --kind action. Requests are proven by",
                    "COCKPIT_ACTIONS_KEY, or COCKPIT_ACTIONS_KEY_FILE, the key of the cockpit.",
                ]
            )
        ]
    ).with(
        place,
        examples: ["NATS_USER=actions COCKPIT_ACTIONS_KEY_FILE=key tapeline actions serve"])
}
