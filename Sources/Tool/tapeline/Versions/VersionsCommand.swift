import MarketModel

/// `tapeline versions fill`: adds to the database what the tape still has of the versions of bars
/// from before it kept versions.
struct VersionsCommand: Equatable, Sendable {
    var target = TapeTarget()
    /// Empty means all partitions.
    var partitions: [Partition] = []
    var isDryRun = false
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> VersionsCommand {
        guard arguments.first == "fill" else { throw .usage("'tapeline versions' wants fill") }
        let given = try CommandArguments(
            "versions fill", Array(arguments.dropFirst()),
            .init(
                values: TapeTarget.options.union(["--partition"]),
                flags: ["--dry-run", "--json"]))
        try given.requireWords(0, "options only")
        var command = VersionsCommand(target: try TapeTarget(given))
        let range = 0...(Partition.countRange.upperBound - 1)
        for text in given.all("--partition") {
            command.partitions.append(
                Partition(try CommandArguments.integer(text, "--partition", in: range)))
        }
        command.isDryRun = given.has("--dry-run")
        command.asJSON = given.has("--json")
        return command
    }

    func wants(_ partition: Partition) -> Bool {
        partitions.isEmpty || partitions.contains(partition)
    }
}
