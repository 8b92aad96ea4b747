import ServiceRuntime

/// `tapeline buckets export | import`: what only the buckets of NATS have.
struct BucketsCommand: ToolCommand {
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

    static let page = CommandPage(
        "buckets", .operation, "keep, and put back, what only NATS has",
        also: [.yes.of("import"), .json],
        """
        buckets export FILE
            write into a file what only NATS has, beside running services: people's instruments,
            registered groups, loads, gaps that wait to be filled, and the database's server. Dead
            letters: 'dlq export'. With POSTGRES_* the database notes it, and writers show its age.
            2: something was left out
        buckets import FILE
            put back what the buckets do not have, after 'setup' made them again and before services
            start. What is there stays, so it may be repeated. Gaps need POSTGRES_*: one that was
            filled since the export is not put back
        --force
            export: replace the file if it is there
        --dry-run
            import: say what would be done
        $ tapeline buckets export buckets.ndjson
        $ tapeline buckets export - >buckets.ndjson
        $ tapeline buckets import buckets.ndjson --dry-run
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> BucketsCommand {
        let (file, isExport) = (given.words[0], given.verb == "export")
        let command = BucketsCommand(
            verb: isExport ? .export(to: file == "-" ? nil : file) : .importing(from: file),
            target: try TapeTarget(given), asJSON: given.asJSON,
            replaces: given.has("--force"), isDryRun: given.isDryRun,
            isConfirmed: given.isConfirmed)
        if command.asJSON, command.verb == .export(to: nil) {
            throw .usage("--json reports about a file: name one instead of -")
        }
        if !isExport { try given.requireConsent() }
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try BucketsRun(command: self, terminal: tool.terminal).run(tool.deployment(target))
    }
}
