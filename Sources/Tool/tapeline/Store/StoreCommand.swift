import Membership
import ServiceRuntime

/// `tapeline store fill`.
struct StoreCommand: ToolCommand {
    let store: GroupName
    let other: GroupName
    var target = TapeTarget()
    var asJSON = false
    /// Reports what it would do, and changes nothing.
    var isDryRun = false

    static let page = CommandPage(
        "store", .operation, "fill a store with what another one has", also: [.json],
        """
        store fill STORE
            copy what STORE lacks from another store, with the same identities: the ordinals that
            its gaps name, and all before those with which it began; also rows of tables that STORE
            does not take itself. Both may run meanwhile. It may be stopped and repeated at any
            time. 0: nothing is missing; 2: something stays missing, and named in its gaps: OTHER
            does not have it, retention of STORE has dropped its time, or STORE itself dropped it;
            3: a dry run found something to copy
        --from OTHER
            the store that has it, which is one of PostgreSQL. Where NATS_URL names servers,
            POSTGRES_* is the database of STORE, or with STORE_KIND=clickhouse CLICKHOUSE_*,
            with STORE_KIND=questdb QUESTDB_*, and FROM_POSTGRES_* that of OTHER; what is
            not set there is as in POSTGRES_*
        --dry-run
            say what is missing, and copy nothing
        $ tapeline store fill store-b --from store
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> StoreCommand {
        func store(_ word: String) throws(ToolError) -> GroupName {
            let group = try given.group(word)
            guard group.isStore else { throw .usage("'\(group)' is no store: store, store-b") }
            return group
        }
        guard let from = try given.one("--from") else {
            throw .usage("--from names the store that has the rows")
        }
        let command = StoreCommand(
            store: try store(given.words[0]), other: try store(from),
            target: try TapeTarget(given), asJSON: given.asJSON, isDryRun: given.isDryRun)
        guard command.store != command.other else {
            throw .usage("\(command.store) cannot be filled from itself")
        }
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try run(tool, steps: FillSteps())
    }

    /// `onStep` is called after each transaction.
    func run(
        _ tool: Tool, steps: FillSteps, _ onStep: @escaping () -> Void = {}
    ) throws(ToolError) -> ExitCode {
        try FillRun(
            command: self, terminal: tool.terminal, shutdown: tool.signals(), steps: steps,
            onStep: onStep
        ).run(
            deployment(of: store, tool, tool.environment),
            deployment(of: other, tool, Self.other(tool.environment)))
    }

    private func deployment(
        of store: GroupName, _ tool: Tool, _ environment: [String: String]
    ) throws(ToolError) -> Deployment {
        var own = tool
        own.environment = environment
        own.environment["STORE_NAME"] = store.text
        return try own.deployment(target)
    }

    private static let database = "POSTGRES_"

    /// Returns the environment with `FROM_POSTGRES_*` in place of `POSTGRES_*`. A password in a
    /// file and one in the environment exclude each other.
    static func other(_ environment: [String: String]) -> [String: String] {
        var other = environment
        other["STORE_KIND"] = environment["FROM_STORE_KIND"]
        let given = environment.filter { $0.key.hasPrefix("FROM_\(database)") && !$0.value.isEmpty }
        let password = "\(database)PASSWORD"
        if given.keys.contains(where: { $0.hasPrefix("FROM_\(password)") }) {
            other = other.filter { !$0.key.hasPrefix(password) }
        }
        for (key, value) in given { other[String(key.dropFirst("FROM_".count))] = value }
        return other
    }
}
