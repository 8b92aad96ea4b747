import MarketModel
import TapeProtocol

/// `tapeline position show | verify | accept | raise`.
struct PositionCommand: Equatable, Sendable {
    enum Verb: String, CaseIterable, Sendable {
        case show, verify, accept, raise

        fileprivate var flags: Set<String> {
            switch self {
            case .show, .verify: ["--json"]
            case .accept: ["--yes", "--json"]
            case .raise: ["--yes", "--json", "--dry-run"]
            }
        }

        /// `raise` is about everything that the database has.
        fileprivate var filters: Set<String> {
            self == .raise ? [] : ["--partition", "--input", "--group"]
        }
    }

    let verb: Verb
    var target = TapeTarget()
    /// Empty means all partitions.
    var partitions: [Partition] = []
    /// `nil` means both inputs.
    var input: TapeInput?
    /// `nil` means all groups; for `accept` it means the writer.
    var group: ReaderGroup?
    var asJSON = false
    var isConfirmed = false
    /// `raise` reports what it would do, and changes nothing.
    var isDryRun = false

    static func parse(_ arguments: [String]) throws(ToolError) -> PositionCommand {
        guard let word = arguments.first, let verb = Verb(rawValue: word) else {
            throw .usage("'tapeline position' wants show, verify, accept or raise")
        }
        let given = try CommandArguments(
            "position \(word)", Array(arguments.dropFirst()),
            .init(
                values: TapeTarget.options.union(verb.filters), flags: verb.flags))
        try given.requireWords(0, "options only")
        var command = PositionCommand(verb: verb, target: try TapeTarget(given))
        let range = 0...(Partition.countRange.upperBound - 1)
        for text in given.all("--partition") {
            command.partitions.append(
                Partition(try CommandArguments.integer(text, "--partition", in: range)))
        }
        command.input = try choice(given, "--input")
        command.group = try choice(given, "--group")
        command.asJSON = given.has("--json")
        command.isConfirmed = given.has("--yes")
        command.isDryRun = given.has("--dry-run")
        guard verb == .accept || verb == .raise else { return command }
        if command.group == .operator {
            throw .usage(
                "the position of an operator is not accepted, its partition is built anew: "
                    + "'tapeline partition rebuild PARTITION'")
        }
        command.group = .writer
        if command.asJSON, !command.isConfirmed, !command.isDryRun {
            throw .usage("--json asks nobody: give --yes with it")
        }
        return command
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ arguments: CommandArguments, _ option: String
    ) throws(ToolError) -> Choice? where Choice.RawValue == String {
        guard let text = try arguments.one(option) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let all = Choice.allCases.map { $0.rawValue }.joined(separator: " or ")
            throw .usage("\(option) is \(all), not '\(text.prefix(20))'")
        }
        return choice
    }

    func wants(_ position: GroupPosition) -> Bool {
        (group == nil || position.group == group) && (input == nil || position.input == input)
            && (partitions.isEmpty || partitions.contains(position.partition))
    }
}
