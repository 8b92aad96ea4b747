import Membership
import ServiceRuntime
import TapeTransport

/// `tapeline groups list | register | remove`.
struct GroupsCommand: ToolCommand {
    enum Verb: Equatable, Sendable {
        case list
        case register(GroupName, reads: Set<ReaderPosition.Input>)
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
            keep nothing for it any more
        groups rights STORE...
            deploy/nats/server.conf with a user for each of these stores beside the usual one: print
            it with their passwords as variables, NATS_WRITER_B_PASSWORD for store-b
        --file FILE
            rights: the configuration as shipped
        --reads ticks|bars
            register: what it reads, ticks if not given; may be repeated
        $ tapeline groups remove old-archive
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> GroupsCommand {
        let verb: Verb =
            switch given.verb {
            case "list": .list
            case "register":
                .register(try given.group(given.words[0]), reads: try reads(given.all("--reads")))
            case "rights": try rights(given)
            default: .remove(try given.group(given.words[0]))
            }
        if given.verb == "remove" { try given.requireConsent() }
        return GroupsCommand(
            verb: verb, target: try TapeTarget(given), asJSON: given.asJSON,
            isConfirmed: given.isConfirmed)
    }

    private static func rights(_ given: CommandArguments) throws(ToolError) -> Verb {
        var stores: [GroupName] = []
        for word in given.words {
            let store = try given.group(word)
            guard store.isStore, store != .store, !stores.contains(store) else {
                throw .usage("name each further store once, as store-b, not '\(word)'")
            }
            stores.append(store)
        }
        guard !stores.isEmpty else { throw .usage("name the further stores, as store-b") }
        guard let file = try given.one("--file") else {
            throw .usage("--file names the configuration: deploy/nats/server.conf")
        }
        return .rights(of: stores, in: file)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        if case .rights(let stores, let file) = verb {
            guard let bytes = try FileSystem.read(file) else {
                throw .refused("\(file) is not there")
            }
            let shipped = String(decoding: bytes, as: UTF8.self)
            tool.terminal.line(try StoreRights(further: stores).configuration(shipped: shipped))
            return .success
        }
        return try GroupsRun(command: self, terminal: tool.terminal).run(tool.deployment(target))
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
