/// `tapeline spool replay NAME`: publishes the spool's ticks that are in gaps of the tape.
struct SpoolReplayCommand: Equatable, Sendable {
    var name: String
    var place: SpoolPlace
    var target: TapeTarget
    var isConfirmed = false
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> SpoolReplayCommand {
        let arguments = try CommandArguments(
            "spool replay", arguments,
            .init(
                values: TapeTarget.options.union(["--folder"]), flags: ["--yes", "--json"]))
        try arguments.requireWords(1, "the name of one spool that was set aside")
        return SpoolReplayCommand(
            name: arguments.words[0],
            place: SpoolPlace(
                folder: try arguments.one("--folder"), home: try arguments.one("--home"),
                stack: try arguments.one("--name")),
            target: try TapeTarget(arguments), isConfirmed: arguments.has("--yes"),
            asJSON: arguments.has("--json"))
    }
}
