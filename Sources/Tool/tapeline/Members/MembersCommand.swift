import MembershipTransport
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// `tapeline members`: the members of groups, and who owns which partition.
struct MembersCommand: ToolCommand {
    var target = TapeTarget()
    var asJSON = false

    static let page = CommandPage(
        "members", .state, "groups, their members, and who owns what", also: [.json],
        """
        members
            groups, their members, and who owns which partition since when
        $ tapeline members
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> MembersCommand {
        MembersCommand(target: try TapeTarget(given), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let client = try tool.deployment(target).openTape()
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
        tool.terminal.show(table.lines, json: table.json(), asJSON)
        for line in directory.refused { tool.terminal.problem(line) }
        return .success
    }
}
