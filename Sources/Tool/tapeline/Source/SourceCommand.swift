import MarketModel
import ServiceRuntime

/// `tapeline source list | retire | resume`.
struct SourceCommand: ToolCommand {
    enum Verb: Equatable, Sendable {
        case list
        case retire(SourceName)
        case resume(SourceName)
    }

    let verb: Verb
    var target = TapeTarget()
    var asJSON = false

    static let page = CommandPage(
        "source", .choice, "the sources of the tape; retire and resume one",
        also: [.json.of("list"), .csv.of("list")],
        """
        source list
            the sources of the tape: provider, kind (real, delayed, simulated by this stack, loaded
            or made up), alive, silent or retired, last packet, partitions and gateways
        source retire NAME
            a source that does not come back: nothing waits for it any more, and no alert reports
            it; refused while a gateway of it lives
        source resume NAME
            take that back; the next gateway of the source does the same
        $ tapeline source list
        $ tapeline source retire old
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> SourceCommand {
        SourceCommand(verb: try verb(given), target: try TapeTarget(given), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try SourceRun(command: self, terminal: tool.terminal)
            .run(tool.deployment(target), shutdown: tool.signals())
    }

    private static func verb(_ given: CommandArguments) throws(ToolError) -> Verb {
        guard given.verb != "list" else { return .list }
        guard let source = SourceName(given.words[0]) else {
            throw .usage(
                "'\(given.words[0].prefix(64))' is no source: a name has 1 to "
                    + "\(SourceName.utf8CountMax) characters a-z 0-9 -")
        }
        guard ![.operator, .universe, .manual].contains(source) else {
            throw .usage("\(source) is the name of what Tapeline itself puts on the tape")
        }
        return given.verb == "retire" ? .retire(source) : .resume(source)
    }
}
