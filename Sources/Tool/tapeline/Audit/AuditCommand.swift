import Primitives
import ServiceRuntime

/// `tapeline audit`: checks that the database agrees with itself and with the tape.
struct AuditCommand: ToolCommand {
    var target = StackTarget()
    var scope = AuditScope.books
    var asJSON = false

    static let page = CommandPage(
        "audit", .proof, "prove that tape and database hold the same", on: .stack,
        also: [.zone, .json],
        """
        audit [--day DAY | --from TIME [--to TIME] | --all]
            prove that tape and database hold the same. Without options, by the books of the
            writers, in seconds. With a day or a range: each of its ticks once, each bar from its
            trades, and gaps and versions of bars as the tape still has them. It says what it did
            not check; 2: NATS, or a packet, could not be read, or no row of that time is stored.
            OPERATOR_GRAPH says what comes before a series, if anything does; a local stack knows
            it. Where NATS_URL names servers: theirs, after all gateways have stopped. Of several
            stores it audits that of STORE_NAME
        --day DAY
            the rows of a day in UTC: 2026-11-20, today, yesterday
        --from TIME, --to TIME
            the rows of this time; up to now without --to
        --all
            every row
        $ tapeline audit --day today
        $ tapeline audit
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> AuditCommand {
        var command = AuditCommand(target: try StackTarget(given), asJSON: given.asJSON)
        let (from, to) = (try given.time("--from"), try given.time("--to"))
        let day = try given.day()
        let ways = [given.has("--all"), day != nil, from != nil || to != nil].count { $0 }
        guard ways <= 1 else { throw .usage("give one of --all, --day and --from (with --to)") }
        if given.has("--all") { command.scope = .all }
        if let day {
            command.scope = .range(from: day, to: day.advanced(byNanoseconds: AuditScope.day))
        }
        if from != nil || to != nil {
            guard let from else { throw .usage("--to wants --from beside it") }
            try CommandArguments.require(from, before: to ?? given.now)
            command.scope = .range(from: from, to: to ?? given.now)
        }
        return command
    }

    /// Audits the local stack, unless the environment names servers.
    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let namesServers = tool.environment["NATS_URL"]?.isEmpty == false
        guard target.name == nil, target.home == nil, namesServers else {
            let stack = try tool.stackThatIsUp(target)
            return try run(by: AuditScript.read(stack.checkout), tool).run(stack)
        }
        let script = try AuditScript.find(executable: Checkout.ownExecutable())
        return try run(by: script, tool).run(tool.deployment(TapeTarget()))
    }

    private func run(by script: AuditScript, _ tool: Tool) throws(ToolError) -> AuditRun {
        AuditRun(
            command: self, script: script, environment: tool.environment,
            terminal: tool.terminal, shutdown: try tool.signals())
    }
}
