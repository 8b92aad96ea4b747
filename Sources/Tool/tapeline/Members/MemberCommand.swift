import Membership
import Primitives

/// `tapeline member drain | release NAME`.
struct MemberCommand: Equatable, Sendable {
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
    static let timeoutRange = 1...86_400

    let verb: Verb
    let member: MemberName
    var target = TapeTarget()
    /// Wait until the member has done it, for so long. `nil`: do not wait.
    var waitSeconds: Int?
    var asJSON = false

    static func parse(_ arguments: [String]) throws(ToolError) -> MemberCommand {
        guard let word = arguments.first, ["drain", "release"].contains(word) else {
            throw .usage("'tapeline member' wants 'drain NAME' or 'release NAME'")
        }
        var taken = CommandArguments.Taken(
            values: TapeTarget.options.union(["--timeout"]), flags: ["--json", "--wait"])
        if word == "drain" {
            taken.values.formUnion(["--group", "--reason"])
            taken.flags.insert("--force")
        }
        let given = try CommandArguments("member \(word)", Array(arguments.dropFirst()), taken)
        try given.requireWords(1, "the name of one member")
        let timeout = try given.integer("--timeout", in: timeoutRange)
        guard timeout == nil || given.has("--wait") else {
            throw .usage("--timeout is for --wait: give both")
        }
        return MemberCommand(
            verb: word == "drain" ? .drain(try wish(given)) : .release,
            member: try member(given.words[0]), target: try TapeTarget(given),
            waitSeconds: given.has("--wait") ? timeout ?? timeoutDefault : nil,
            asJSON: given.has("--json"))
    }

    private static func member(_ text: String) throws(ToolError) -> MemberName {
        guard let name = MemberName(text) else {
            throw .usage(
                "'\(text.prefix(64))' is no member: a name has 1 to "
                    + "\(MemberName.utf8CountMax) characters A-Z a-z 0-9 _ -")
        }
        return name
    }

    private static func wish(_ given: CommandArguments) throws(ToolError) -> Wish {
        var groups: [GroupName] = []
        for text in given.all("--group") {
            guard let group = GroupName(text) else {
                throw .usage(
                    "'\(text.prefix(64))' is no group: a name has 1 to "
                        + "\(GroupName.utf8CountMax) characters a-z 0-9 -")
            }
            if !groups.contains(group) { groups.append(group) }
        }
        guard groups.count <= DrainRequest.groupsMax else {
            throw .usage("--group may name \(DrainRequest.groupsMax) groups at most")
        }
        let reason = try given.one("--reason") ?? ""
        let isPlain = reason.unicodeScalars.allSatisfy { !$0.properties.isControl }
        guard reason.utf8.count <= DrainCause.reasonBytesMax, isPlain else {
            throw .usage(
                "--reason wants one line of at most \(DrainCause.reasonBytesMax) bytes")
        }
        return Wish(groups: groups, reason: reason, isForced: given.has("--force"))
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isControl: Bool { generalCategory == .control }
}
