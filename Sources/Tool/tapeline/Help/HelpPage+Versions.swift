/// The command about versions of bars.
extension HelpPage {
    static let versionTopics = [
        HelpTopic(
            "versions", .bars,
            [
                (
                    "versions fill",
                    [
                        "after an upgrade: add what the tape still has of the versions of bars",
                        "from before the database kept them, and when each was known, so that",
                        "--as-of reaches back as far. Writers may run meanwhile; a second run adds",
                        "nothing. 0 done, 1 not all of it: interrupted, unreadable, or tape and",
                        "database disagree about a bar, which is named",
                    ]
                )
            ]
        ).with(
            [
                HelpTopic.Option("--partition N", "only this one; may be repeated"),
                HelpTopic.Option("--dry-run", "count what would be added, and change nothing"),
                json,
            ] + place,
            examples: ["tapeline versions fill --dry-run", "tapeline versions fill"])
    ]
}
