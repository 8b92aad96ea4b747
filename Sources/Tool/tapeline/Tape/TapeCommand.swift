/// `tapeline tape`: the state of the tape.
struct TapeCommand: Equatable, Sendable {
    var target = TapeTarget()
    var asJSON = false
    /// False to look once, without rates.
    var withRate = true

    static func parse(_ arguments: [String]) throws(ToolError) -> TapeCommand {
        let arguments = try CommandArguments(
            "tape", arguments,
            .init(values: TapeTarget.options, flags: ["--json", "--no-rate"]))
        try arguments.requireWords(0, "options only")
        return TapeCommand(
            target: try TapeTarget(arguments), asJSON: arguments.has("--json"),
            withRate: !arguments.has("--no-rate"))
    }
}
