import MembershipTransport
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// `tapeline members`: the members of groups, and who owns which partition.
struct MembersCommand: Equatable, Sendable {
    var target = TapeTarget()
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> MembersCommand {
        let arguments = try CommandArguments(
            "members", arguments, .init(values: TapeTarget.options, flags: ["--json"]))
        try arguments.requireWords(0, "options only")
        return MembersCommand(
            target: try TapeTarget(arguments), asJSON: arguments.has("--json"))
    }

    func run(_ deployment: Deployment, _ terminal: Terminal) throws(ToolError) -> ExitCode {
        let client = try deployment.openTape()
        defer { client.close() }
        let directory: GroupDirectory
        do throws(TapeError) {
            directory = try GroupDirectory(client)
        } catch {
            throw .unreachable("the members cannot be asked: \(error)")
        }
        let table = MembersTable(
            members: directory.members, owners: directory.owners, drains: directory.drains,
            universe: client.names.universe)
        if asJSON {
            terminal.line(table.json())
        } else {
            for line in table.lines { terminal.line(line) }
        }
        for line in directory.refused { terminal.problem(line) }
        return .success
    }
}
