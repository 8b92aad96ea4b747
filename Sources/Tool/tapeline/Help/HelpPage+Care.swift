/// The commands that look at a whole deployment at once.
extension HelpPage {
    private static let service = HelpTopic.Option(
        "--service HOST:PORT",
        "the operations page of a service; may be repeated. Those of a local",
        "stack are known")

    static let careTopics = [
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
                json,
            ] + place,
            examples: [
                "tapeline doctor",
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
