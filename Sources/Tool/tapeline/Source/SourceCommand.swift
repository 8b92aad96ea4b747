import MarketModel

/// `tapeline source list | retire | resume`.
struct SourceCommand: Equatable, Sendable {
    enum Verb: Equatable, Sendable {
        case list
        case retire(SourceName)
        case resume(SourceName)
    }

    let verb: Verb
    var target = TapeTarget()
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> SourceCommand {
        guard let word = arguments.first, ["list", "retire", "resume"].contains(word) else {
            throw .usage("'tapeline source' wants list, retire or resume")
        }
        let given = try CommandArguments(
            "source \(word)", Array(arguments.dropFirst()),
            .init(values: TapeTarget.options, flags: word == "list" ? ["--json"] : []))
        return SourceCommand(
            verb: try verb(word, given), target: try TapeTarget(given),
            asJSON: given.has("--json"))
    }

    private static func verb(
        _ word: String, _ given: CommandArguments
    ) throws(ToolError) -> Verb {
        guard word != "list" else {
            try given.requireWords(0, "options only")
            return .list
        }
        try given.requireWords(1, "the name of one source")
        guard let source = SourceName(given.words[0]) else {
            throw .usage(
                "'\(given.words[0].prefix(64))' is no source: a name has 1 to "
                    + "\(SourceName.utf8CountMax) characters a-z 0-9 -")
        }
        guard ![.operator, .universe, .manual].contains(source) else {
            throw .usage("\(source) is the name of what Tapeline itself puts on the tape")
        }
        return word == "retire" ? .retire(source) : .resume(source)
    }
}
