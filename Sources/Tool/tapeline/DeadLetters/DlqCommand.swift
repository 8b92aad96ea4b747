import TapeTransport
import Primitives

/// `tapeline dlq list | show | replay | export | drop`: records that were refused.
struct DlqCommand: Equatable, Sendable {
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

    private static let flags: [Verb: Set<String>] = [
        .list: ["--all", "--json"], .show: ["--json"],
        .replay: ["--all", "--dry-run", "--json"], .export: [], .drop: ["--all", "--yes"],
    ]

    static func parse(_ arguments: [String], now: Timestamp) throws(ToolError) -> DlqCommand {
        guard let word = arguments.first, let verb = Verb(rawValue: word) else {
            throw .usage("'tapeline dlq' wants list, show, replay, export or drop")
        }
        let given = try CommandArguments(
            "dlq \(word)", Array(arguments.dropFirst()),
            .init(
                values: TapeTarget.options.union(LetterSelection.options).union(["--file"]),
                flags: flags[verb] ?? []))
        var command = DlqCommand(verb: verb, target: try TapeTarget(given))
        command.selection = try LetterSelection(given, now: now)
        command.file = try given.one("--file")
        command.asJSON = given.has("--json")
        command.isDryRun = given.has("--dry-run")
        command.isConfirmed = given.has("--yes")
        try command.take(given.words)
        return command
    }

    /// Takes the arguments that are not options: ids, or the file of an export.
    private mutating func take(_ words: [String]) throws(ToolError) {
        switch verb {
        case .list:
            guard words.isEmpty else { throw .usage("'tapeline dlq list' wants options only") }
        case .show:
            guard !words.isEmpty else {
                throw .usage("'tapeline dlq show' wants the id of a letter")
            }
            selection.ids = words
        case .export:
            guard words.count == 1 else {
                throw .usage("'tapeline dlq export' wants a file, or - for standard output")
            }
            output = words[0] == "-" ? nil : words[0]
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
    static let options: Set<String> = ["--reason", "--sink", "--since", "--until"]

    var ids: [String] = []
    var reason: DeadLetter.Reason?
    var sink: String?
    /// The earliest time at which a letter was recorded.
    var since: Timestamp?
    var until: Timestamp?
    var isAll = false

    init() {}

    init(_ arguments: CommandArguments, now: Timestamp) throws(ToolError) {
        if let text = try arguments.one("--reason") {
            guard let reason = DeadLetter.Reason(rawValue: text) else {
                let all = DeadLetter.Reason.allCases.map(\.rawValue).joined(separator: ", ")
                throw .usage("--reason is one of \(all), not '\(text.prefix(20))'")
            }
            self.reason = reason
        }
        sink = try arguments.one("--sink")
        since = try Self.time(arguments, "--since", now)
        until = try Self.time(arguments, "--until", now)
        isAll = arguments.has("--all")
    }

    private static func time(
        _ arguments: CommandArguments, _ option: String, _ now: Timestamp
    ) throws(ToolError) -> Timestamp? {
        guard let text = try arguments.one(option) else { return nil }
        return try TailPlace.time(text, option, now: now)
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
