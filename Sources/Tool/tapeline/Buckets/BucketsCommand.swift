/// `tapeline buckets export | import`: what only the buckets of NATS have.
struct BucketsCommand: Equatable, Sendable {
    enum Verb: Equatable, Sendable {
        /// `nil` means standard output.
        case export(to: String?)
        case importing(from: String)
    }

    let verb: Verb
    var target = TapeTarget()
    var asJSON = false
    /// Whether an existing file is replaced.
    var replaces = false
    var isDryRun = false
    var isConfirmed = false

    static func parse(_ arguments: [String]) throws(ToolError) -> BucketsCommand {
        guard let word = arguments.first, ["export", "import"].contains(word) else {
            throw .usage("'tapeline buckets' wants export or import")
        }
        let isExport = word == "export"
        let given = try CommandArguments(
            "buckets \(word)", Array(arguments.dropFirst()),
            .init(
                values: TapeTarget.options,
                flags: isExport ? ["--force", "--json"] : ["--dry-run", "--json", "--yes"]))
        try given.requireWords(1, isExport ? "a file, or - for standard output" : "a file")
        let file = given.words[0]
        var command = BucketsCommand(
            verb: isExport ? .export(to: file == "-" ? nil : file) : .importing(from: file),
            target: try TapeTarget(given))
        command.asJSON = given.has("--json")
        command.replaces = given.has("--force")
        command.isDryRun = given.has("--dry-run")
        command.isConfirmed = given.has("--yes")
        if command.asJSON, command.verb == .export(to: nil) {
            throw .usage("--json reports about a file: name one instead of -")
        }
        if !isExport, command.asJSON, !command.isConfirmed, !command.isDryRun {
            throw .usage("--json asks nobody: give --yes or --dry-run with it")
        }
        return command
    }
}
