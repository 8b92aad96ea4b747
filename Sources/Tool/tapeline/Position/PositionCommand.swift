import MarketModel
import Membership
import ServiceRuntime
import TapeProtocol

/// `tapeline position show | verify | accept | raise`.
struct PositionCommand: ToolCommand {
    enum Verb: String, Sendable { case show, verify, accept, raise }

    let verb: Verb
    var target = TapeTarget()
    /// Empty means all partitions.
    var partitions: [Partition] = []
    /// `nil` means both inputs.
    var input: TapeInput?
    /// `nil` means all groups; for `accept` it means the store.
    var group: GroupName?
    var asJSON = false
    var isConfirmed = false
    /// Whether groups of tables that wait apart are given up.
    var givesUpApart = false
    /// `raise` reports what it would do, and changes nothing.
    var isDryRun = false

    static let page = CommandPage(
        "position", .operation, "where readers are; accept and raise after a loss",
        also: [.yes.of("accept", "raise"), .json],
        """
        position show|verify|accept
            where stores and operators have read to; whether the packets there are still the same;
            go on after tape data were destroyed, saying exactly what is lost
        position raise
            after NATS lost its disk, before any service starts: gateways and workers continue after
            the ordinals and epochs that the database has; says what is lost
        --input ticks|bars, --group STORE|operator, --partition P
            show, verify, accept: only these
        --apart
            accept, raise: give up what is left to tables that wait apart
        --dry-run
            raise: say what would be done
        $ tapeline position verify || tapeline position accept
        $ tapeline setup && tapeline position raise
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> PositionCommand {
        var command = PositionCommand(
            verb: try given.verbCase(), target: try TapeTarget(given))
        for text in given.all("--partition") {
            command.partitions.append(try given.partition(text))
        }
        command.input = try given.choice("--input")
        if let word = try given.one("--group") {
            let group = try given.group(word)
            guard group.isStore || group == .operators else {
                throw .usage("--group is operator or a store, not '\(group)'")
            }
            command.group = group
        }
        command.asJSON = given.asJSON
        command.isConfirmed = given.isConfirmed
        command.isDryRun = given.isDryRun
        command.givesUpApart = given.has("--apart")
        guard command.verb == .accept || command.verb == .raise else { return command }
        if command.group == .operators {
            throw .usage(
                "the position of an operator is not accepted, its partition is built anew: "
                    + "'tapeline partition rebuild PARTITION'")
        }
        try given.requireConsent()
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try PositionRun(command: self, terminal: tool.terminal).run(tool.deployment(target))
    }

    func wants(_ position: GroupPosition) -> Bool {
        (group == nil || position.group == group) && (input == nil || position.input == input)
            && (partitions.isEmpty || partitions.contains(position.partition))
    }
}
