import Membership
import TapeTransport

/// `tapeline groups list | register | remove`.
struct GroupsCommand: Equatable, Sendable {
    enum Verb: Equatable, Sendable {
        case list
        case register(GroupName, reads: Set<ReaderPosition.Input>)
        case remove(GroupName)
    }

    let verb: Verb
    var target = TapeTarget()
    var asJSON = false
    var isConfirmed = false

    static func parse(_ arguments: [String]) throws(ToolError) -> GroupsCommand {
        guard let word = arguments.first, ["list", "register", "remove"].contains(word) else {
            throw .usage("'tapeline groups' wants list, register or remove")
        }
        var taken = CommandArguments.Taken(values: TapeTarget.options, flags: ["--json"])
        if word == "register" { taken.values.insert("--reads") }
        if word == "remove" { taken.flags.insert("--yes") }
        let given = try CommandArguments("groups \(word)", Array(arguments.dropFirst()), taken)
        var command = GroupsCommand(verb: try verb(word, given), target: try TapeTarget(given))
        command.asJSON = given.has("--json")
        command.isConfirmed = given.has("--yes")
        if case .remove = command.verb, command.asJSON, !command.isConfirmed {
            throw .usage("--json asks nobody: give --yes with it")
        }
        return command
    }

    private static func verb(
        _ word: String, _ given: CommandArguments
    ) throws(ToolError) -> Verb {
        guard word != "list" else {
            try given.requireWords(0, "options only")
            return .list
        }
        try given.requireWords(1, "the name of one group")
        guard let group = GroupName(given.words[0]) else {
            throw .usage(
                "'\(given.words[0].prefix(64))' is no group: a name has 1 to "
                    + "\(GroupName.utf8CountMax) characters a-z 0-9 -")
        }
        guard word == "register" else { return .remove(group) }
        return .register(group, reads: try reads(given.all("--reads")))
    }

    private static func reads(
        _ given: [String]
    ) throws(ToolError) -> Set<ReaderPosition.Input> {
        guard !given.isEmpty else { return [.ticks] }
        var reads: Set<ReaderPosition.Input> = []
        for text in given.flatMap({ $0.split(separator: ",") }) {
            guard let input = ReaderPosition.Input(rawValue: String(text)) else {
                throw .usage("--reads is ticks, bars or both, not '\(text.prefix(20))'")
            }
            reads.insert(input)
        }
        return reads
    }
}
