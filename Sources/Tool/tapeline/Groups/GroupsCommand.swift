import Membership
import ServiceRuntime
import TapeTransport

/// `tapeline groups list | register | remove`.
struct GroupsCommand: ToolCommand {
    enum Verb: Equatable, Sendable {
        case list
        /// `isNeeded`: `nil` keeps what is registered.
        case register(GroupName, reads: Set<ReaderPosition.Input>, isNeeded: Bool?)
        case remove(GroupName)
        case rights(of: [GroupName], in: String)
    }

    let verb: Verb
    var target = TapeTarget()
    var asJSON = false
    var isConfirmed = false

    static let page = CommandPage(
        "groups", .operation, "the groups for which the tape is kept",
        also: [.yes.of("remove"), .json, .csv.of("list")],
        """
        groups list
            which groups the tape is kept for
        groups register GROUP
            keep the tape for a group: what it has not read is not purged, whether any of its
            members runs or not
        groups remove GROUP
            keep nothing for it any more; a local stack removes its user of NATS and the password
        groups rights GROUP...
            deploy/nats/server.conf with a user for each of these stores beside the usual one, and
            of these groups of people: print it with their passwords as variables,
            NATS_WRITER_B_PASSWORD for store-b, NATS_CONSUMER_FEATURES_PASSWORD for features
        --file FILE
            rights: the configuration as shipped
        --reads ticks|bars
            register: what it reads, ticks if not given; may be repeated
        --needed yes|no
            register: whether all wait for it, yes if not given. With no it slows no
            source, and is let go as a store that is not needed. A local stack then makes
            its user of NATS, consumer-GROUP, by which desk.follow of Python reads
        $ tapeline groups remove old-archive
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> GroupsCommand {
        let verb: Verb =
            switch given.verb {
            case "list": .list
            case "register":
                .register(
                    try given.group(given.words[0]), reads: try reads(given.all("--reads")),
                    isNeeded: try isNeeded(given.one("--needed")))
            case "rights": try rights(given)
            default: .remove(try given.group(given.words[0]))
            }
        if given.verb == "remove" { try given.requireConsent() }
        return GroupsCommand(
            verb: verb, target: try TapeTarget(given), asJSON: given.asJSON,
            isConfirmed: given.isConfirmed)
    }

    private static func rights(_ given: CommandArguments) throws(ToolError) -> Verb {
        var groups: [GroupName] = []
        for word in given.words {
            let group = try given.group(word)
            guard group.isStore && group != .store || group.role == .consumer,
                !groups.contains(group)
            else {
                throw .usage("name each further store or group once, as store-b, not '\(word)'")
            }
            groups.append(group)
        }
        guard !groups.isEmpty else { throw .usage("name the further stores, as store-b") }
        guard let file = try given.one("--file") else {
            throw .usage("--file names the configuration: deploy/nats/server.conf")
        }
        return .rights(of: groups, in: file)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        if case .rights(let groups, let file) = verb {
            guard let bytes = try FileSystem.read(file) else {
                throw .refused("\(file) is not there")
            }
            let shipped = String(decoding: bytes, as: UTF8.self)
            let stores = StoreRights(further: groups.filter(\.isStore))
            let followers = FollowerRights(groups: groups.filter { !$0.isStore })
            tool.terminal.line(
                try followers.configuration(shipped: stores.configuration(shipped: shipped)))
            return .success
        }
        return try GroupsRun(command: self, terminal: tool.terminal).run(tool.deployment(target))
    }

    private static func isNeeded(_ given: String?) throws(ToolError) -> Bool? {
        guard let given else { return nil }
        guard ["yes", "no"].contains(given) else {
            throw .usage("--needed is yes or no, not '\(given.prefix(20))'")
        }
        return given == "yes"
    }

    private static func reads(
        _ given: [String]
    ) throws(ToolError) -> Set<ReaderPosition.Input> {
        guard !given.isEmpty else { return [.ticks] }
        var reads: Set<ReaderPosition.Input> = []
        for text in given.flatMap({ $0.split(separator: ",") }) {
            guard let input = ReaderPosition.Input(rawValue: String(text)) else {
                throw .usage("--reads is ticks, bars or both, not '\(text.prefix(20))'")
            }
            reads.insert(input)
        }
        return reads
    }
}
