/// The command that changes what a source wants.
extension HelpPage {
    static let watchlist = HelpTopic(
        "watchlist", .tape,
        [
            (
                "watchlist list",
                [
                    "the instruments of each source: of the gateway's own list, added or removed,",
                    "by whom and when, and what the provider says of each",
                ]
            ),
            (
                "watchlist add SYMBOL... --note TEXT",
                [
                    "have the gateway want them beside its own list, from now on and after each",
                    "start; a removed one of its own list is wanted again",
                ]
            ),
            (
                "watchlist remove SYMBOL... --note TEXT",
                [
                    "end added ones, or those of the gateway's own list until they are added",
                    "again; what is on the tape stays",
                ]
            ),
        ]
    ).with(
        [
            HelpTopic.Option(
                "--source NAME", "its source; may be left out where only one can be changed"),
            HelpTopic.Option("--note TEXT", "why, in one line, for others"),
            HelpTopic.Option(
                "--exchange SMART, --currency USD, --feeds quotes,bars, ...",
                "add: fields of the contract, by the keys of the lists of instruments",
                "(--primary-exchange is primary_exchange). A stock without them is traded at",
                "SMART in USD, and its quotes are requested. synthetic takes symbols alone"),
            json,
        ] + place,
        examples: [
            "tapeline watchlist add NVDA AMD --note \"asked by the desk\"",
            "tapeline watchlist add EUR/USD --security forex --exchange IDEALPRO --note hedge",
            "tapeline watchlist remove AMD --source ibkr --note \"not traded any more\"",
        ])
}
