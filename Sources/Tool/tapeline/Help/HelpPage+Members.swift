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
                "--wait", "until it is done; 75 if it is not done in time, and the request stays"),
            HelpTopic.Option("--timeout N", "with --wait: so many seconds, 120 if not given"),
            json,
        ] + place,
        examples: [
            "tapeline member drain worker-3 --reason 'new disk' --wait",
            "tapeline member release worker-3",
        ])
}
