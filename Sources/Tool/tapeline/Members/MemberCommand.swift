import Membership
import Primitives
import ServiceRuntime

/// `tapeline member drain | release NAME`.
struct MemberCommand: ToolCommand {
    enum Verb: Equatable, Sendable {
        case drain(Wish)
        case release
    }

    /// What is asked of the member.
    struct Wish: Equatable, Sendable {
        /// Empty: all groups of its process.
        var groups: [GroupName] = []
        var reason = ""
        var isForced = false
    }

    static let timeoutDefault = 120

    let verb: Verb
    let member: MemberName
    var target = TapeTarget()
    /// Wait until the member has done it, for so long. `nil`: do not wait.
    var waitSeconds: Int?
    var asJSON = false

    static let page = CommandPage(
        "member", .operation, "have a process hand over what it owns, and take it back",
        also: [.json],
        """
        member drain NAME
            the process of that name hands over what it owns, in order, stays alive, and takes
            nothing until it is released, also when it is started again under its name. Refused for
            the last member of a group that can own partitions
        member release NAME
            take that back: the process takes its share of partitions again
        --group GROUP
            drain: only in this group; may be repeated. Without it, in all groups of the
            process: a gateway is in those of its sources and of the keepers
        --reason TEXT
            drain: why, for those who see it drained
        --force
            drain: also if nobody else can own the partitions: nobody does then
        --wait
            until it is done; 75 if it is not done in time, and the request stays. A drain
            then says how long the tape stood still meanwhile
        --timeout N
            with --wait: so many seconds, 120 if not given
        $ tapeline member drain worker-3 --reason 'new disk' --wait
        $ tapeline member release worker-3
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> MemberCommand {
        guard let member = MemberName(given.words[0]) else {
            throw .usage(
                "'\(given.words[0].prefix(64))' is no member: a name has 1 to "
                    + "\(MemberName.utf8CountMax) characters A-Z a-z 0-9 _ -")
        }
        return MemberCommand(
            verb: given.verb == "drain" ? .drain(try wish(given)) : .release, member: member,
            target: try TapeTarget(given),
            waitSeconds: try given.waitSeconds(default: timeoutDefault), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try MemberRun(command: self, terminal: tool.terminal, shutdown: tool.signals())
            .run(tool.deployment(target))
    }

    private static func wish(_ given: CommandArguments) throws(ToolError) -> Wish {
        var groups: [GroupName] = []
        for text in given.all("--group") {
            let group = try given.group(text)
            if !groups.contains(group) { groups.append(group) }
        }
        guard groups.count <= DrainRequest.groupsMax else {
            throw .usage("--group may name \(DrainRequest.groupsMax) groups at most")
        }
        return Wish(
            groups: groups,
            reason: try given.note("--reason", bytesMax: DrainCause.reasonBytesMax) ?? "",
            isForced: given.has("--force"))
    }
}

extension CommandArguments {
    func group(_ word: String) throws(ToolError) -> GroupName {
        guard let group = GroupName(word) else {
            throw .usage(
                "'\(word.prefix(64))' is no group: a name has 1 to "
                    + "\(GroupName.utf8CountMax) characters a-z 0-9 -")
        }
        return group
    }
}
