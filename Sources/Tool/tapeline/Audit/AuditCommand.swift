import Primitives

/// `tapeline audit`: checks that the database agrees with itself and with the tape.
struct AuditCommand: Equatable, Sendable {
    var target = ToolCommand.Target()
    var scope = AuditScope.books
    var asJSON = false

    private static let taken = CommandArguments.Taken(
        values: ["--home", "--name", "--from", "--to", "--day"], flags: ["--json", "--all"])

    static func parse(_ arguments: [String], now: Timestamp) throws(ToolError) -> AuditCommand {
        let given = try CommandArguments("audit", arguments, taken)
        try given.requireWords(0, "no words: --day, --from and --to say what to read")
        var command = AuditCommand()
        command.target = try ToolCommand.Target(given)
        command.asJSON = given.has("--json")
        let (from, to, day) = (
            try time("--from", given, now), try time("--to", given, now), try given.day(now: now)
        )
        let ways = [given.has("--all"), day != nil, from != nil || to != nil].count { $0 }
        guard ways <= 1 else { throw .usage("give one of --all, --day and --from (with --to)") }
        if given.has("--all") { command.scope = .all }
        if let day {
            command.scope = .range(from: day, to: day.advanced(byNanoseconds: AuditScope.day))
        }
        if from != nil || to != nil {
            guard let from else { throw .usage("--to wants --from beside it") }
            guard from < to ?? now else {
                throw .usage("--from \(from) is not before --to \(to ?? now)")
            }
            command.scope = .range(from: from, to: to ?? now)
        }
        return command
    }

    private static func time(
        _ option: String, _ given: CommandArguments, _ now: Timestamp
    ) throws(ToolError) -> Timestamp? {
        guard let text = try given.one(option) else { return nil }
        return try TailPlace.time(text, option, now: now)
    }
}
