import Primitives
import ServiceRuntime
import TapeTransport

/// `tapeline dlq list | show | replay | export | drop`: records that were refused.
struct DlqCommand: ToolCommand {
    enum Verb: String, CaseIterable, Sendable { case list, show, replay, export, drop }

    let verb: Verb
    var target = TapeTarget()
    var selection = LetterSelection()
    /// A file of letters to read instead of the stream.
    var file: String?
    /// The file that `export` writes. `nil` means standard output.
    var output: String?
    var asJSON = false
    var isDryRun = false
    var isConfirmed = false

    static let page = CommandPage(
        "dlq", .correction, "rows that the database refused",
        also: [.zone, .yes.of("drop"), .json.of("list", "show", "replay"), .csv.of("list")],
        """
        dlq list
            rows that the database refused, by reason and table
        dlq show ID...
            such rows in full
        dlq export FILE|-
            the same as NDJSON, into a file or to standard output
        dlq replay [ID...]
            store them where they are not stored
        dlq drop [ID...]
            take them off their stream
        --reason data|undecodable|out_of_range|future, --sink TABLE
            only these
        --from TIME, --to TIME
            only those that were noted then: 2026-11-20T14:30:00Z, today, -10m
        --all
            list, replay, drop: all of them; a list has them one by one
        --file FILE
            letters of a file (an export, or what a writer kept that could not reach NATS)
            instead of the stream
        --dry-run
            replay: say what would be stored; store nothing
        $ tapeline dlq list --from -1d --sink trades --all
        $ tapeline dlq replay ticks/3/synthetic/1041/1 --dry-run
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> DlqCommand {
        var command = DlqCommand(
            verb: try given.verbCase(), target: try TapeTarget(given),
            selection: try LetterSelection(given), file: try given.one("--file"),
            asJSON: given.asJSON, isDryRun: given.isDryRun, isConfirmed: given.isConfirmed)
        try command.take(given.words)
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try DlqRun(command: self, terminal: tool.terminal).run {
            () throws(ToolError) in try tool.deployment(target)
        }
    }

    /// Takes the arguments that are not options: ids, or the file of an export.
    private mutating func take(_ words: [String]) throws(ToolError) {
        switch verb {
        case .list, .show: selection.ids = words
        case .export: output = words[0] == "-" ? nil : words[0]
        case .replay, .drop:
            selection.ids = words
            guard selection.isChosen else {
                throw .usage(
                    "'tapeline dlq \(verb.rawValue)' wants ids, a filter, or --all: see "
                        + "'tapeline dlq list'")
            }
            guard verb == .replay || file == nil else {
                throw .usage("letters are dropped from the stream: a file is yours to remove")
            }
        }
    }
}

/// Selects letters. A criterion that is not given matches all of them.
struct LetterSelection: Equatable, Sendable {
    var ids: [String] = []
    var reason: DeadLetter.Reason?
    var sink: String?
    /// The earliest time at which a letter was recorded.
    var since: Timestamp?
    var until: Timestamp?
    var isAll = false

    init() {}

    init(_ given: CommandArguments) throws(ToolError) {
        reason = try given.choice("--reason")
        sink = try given.one("--sink")
        since = try given.time("--from")
        until = try given.time("--to")
        isAll = given.has("--all")
    }

    /// True if the person has said which letters are meant, also by asking for all.
    var isChosen: Bool {
        isAll || !ids.isEmpty || reason != nil || sink != nil || since != nil || until != nil
    }

    func wants(_ letter: DeadLetter) -> Bool {
        (ids.isEmpty || ids.contains(letter.id) || ids.contains(letter.messageID))
            && (reason.map { $0 == letter.reason } ?? true)
            && (sink.map { $0 == letter.sink } ?? true)
            && (since.map { letter.notedAt >= $0 } ?? true)
            && (until.map { letter.notedAt < $0 } ?? true)
    }
}
