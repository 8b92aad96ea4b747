import Foundation
import Membership
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The shipped NATS configuration, on a real server.
@Suite("deploy/nats/server.conf")
struct NatsPermissionTests {
    private static func createStream(_ name: String, _ subjects: String) -> String {
        "{\"name\":\"\(name)\",\"subjects\":[\"\(subjects)\"],\"storage\":\"file\"}"
    }

    /// Subject and payload, who may publish it, and who may not.
    private static let attempts: [(String, String, may: String, mayNot: String)] = [
        (
            "$JS.API.STREAM.CREATE.MD_TICKS_0", createStream("MD_TICKS_0", "md.ticks.0.*"), "tool",
            ""
        ),
        ("$JS.API.STREAM.CREATE.MD_BARS", createStream("MD_BARS", "md.bars.*"), "tool", ""),
        ("$JS.API.STREAM.CREATE.MD_DLQ", createStream("MD_DLQ", "md.dlq.>"), "tool", ""),
        (
            "$JS.API.STREAM.CREATE.KV_md_owners", createStream("KV_md_owners", "$KV.md_owners.>"),
            "tool", ""
        ),
        ("$JS.API.STREAM.UPDATE.MD_BARS", createStream("MD_BARS", "md.bars.*"), "tool", ""),
        ("md.ticks.0.synthetic", "x", "gateway", "actions operator writer tool"),
        ("acme.ticks.31.ib", "x", "gateway", ""),
        ("md.wm.0.synthetic", "x", "gateway tool", "actions operator writer"),
        ("md.dlq.gateway", "x", "gateway", ""),
        ("md.dlq.store", "x", "writer", "gateway cockpit actions operator"),
        ("$JS.API.STREAM.MSG.GET.MD_TICKS_0", "{\"seq\":1}", "gateway", ""),
        ("$KV.md_owners.gateway.synthetic", "x", "gateway tool", "actions operator"),
        ("$KV.md_owners.operator.7", "x", "operator", "gateway actions writer"),
        ("$KV.md_owners.gateway.synthetic.watchlist", "x", "gateway", ""),
        (
            "$KV.md_owners.watchlist.synthetic.wanted", "x", "tool actions",
            "gateway operator writer consumer cockpit"
        ),
        ("$KV.md_owners.drain.member.a", "x", "tool", "gateway operator writer cockpit"),
        (
            "$JS.API.STREAM.MSG.GET.KV_md_owners",
            "{\"last_by_subj\":\"$KV.md_owners.drain.member.a\"}", "operator", ""
        ),
        (
            "$KV.md_owners.load.binance-history.ranges", "x", "tool",
            "gateway operator writer actions"
        ),
        ("$KV.md_owners.gateway", "x", "", "gateway"),
        ("$SRV.PING", "", "tool", "gateway"),
        ("md.ask.positions", "", "gateway actions tool", "cockpit"),
        ("md.pos.store", "{}", "writer", "gateway cockpit actions operator"),
        ("$KV.md_owners.source-synthetic.0", "x", "gateway", ""),
        ("$KV.md_owners.keeper.0", "x", "gateway", ""),
        ("$KV.md_owners.store.0", "x", "", "gateway"),
        ("md.hb.source-synthetic.a", "{}", "gateway", ""),
        ("md.hb.keeper.a", "{}", "gateway", ""),
        ("md.hb.store.a", "{}", "writer", "gateway operator"),
        ("md.ask.members", "", "gateway operator writer tool cockpit actions", ""),
        ("md.hb.operator.a", "{}", "operator", "writer cockpit actions tool"),
        ("md.head.synthetic", "{}", "gateway", "cockpit operator"),
        ("md.ticks.0.manual", "x", "actions tool", "cockpit operator"),
        ("md.bars.0", "x", "operator", "cockpit actions gateway writer tool"),
        ("$JS.API.STREAM.INFO.MD_BARS", "", "cockpit writer", ""),
        ("$JS.API.STREAM.PURGE.MD_BARS", "", "", "cockpit writer"),
        ("$JS.API.STREAM.MSG.GET.MD_TICKS_0", #"{"seq":1}"#, "cockpit", ""),
        ("$JS.API.STREAM.MSG.GET.MD_DLQ", #"{"seq":1}"#, "cockpit", ""),
        ("$JS.API.STREAM.MSG.DELETE.MD_DLQ", #"{"seq":1}"#, "", "cockpit actions"),
        ("$JS.API.STREAM.PURGE.MD_DLQ", "", "", "cockpit writer"),
        ("$JS.API.STREAM.MSG.GET.KV_md_owners", #"{"seq":1}"#, "", "cockpit"),
        ("md.act", "{}", "cockpit", "gateway operator writer consumer actions"),
        ("_INBOX_cockpit.x.1", "{}", "actions", ""),
        ("_INBOX_gateway.x", "{}", "", "actions operator writer tool"),
        ("_INBOX_operator.x.w", "", "operator", "gateway writer cockpit actions consumer"),
        ("_INBOX_writer.x.w", "", "writer", "gateway operator cockpit actions"),
        ("_INBOX_operator.x.p1.0.1", "{}", "", "operator writer"),
        ("$KV.md_owners.drain.member.b", "x", "actions", ""),
        ("$JS.API.STREAM.PURGE.KV_md_owners", "", "", "actions gateway operator"),
        ("md.pos.operator", "{}", "operator", "writer"),
        ("md.ticks.0", "x", "", "gateway"),
        ("$JS.API.STREAM.LEADER.STEPDOWN.KV_md_owners", "{}", "", "gateway"),
        ("$JS.API.META.LEADER.STEPDOWN", "{}", "", "gateway"),
        ("$JS.API.STREAM.PEER.REMOVE.MD_BARS", "{}", "", "gateway"),
        ("$JS.API.STREAM.LEADER.STEPDOWN.MD_BARS", "{}", "", "operator writer consumer"),
        ("$JS.API.STREAM.DELETE.MD_TICKS_0", "", "", "gateway operator writer"),
        ("$JS.API.STREAM.UPDATE.MD_BARS", "{}", "", "gateway"),
        ("$JS.API.CONSUMER.CREATE.MD_TICKS_0.c", "{}", "", "gateway"),
        ("$JS.API.STREAM.MSG.GET.MD_BARS", #"{"seq":1}"#, "cockpit", ""),
        ("md.all.universe", "x", "operator", "gateway writer"),
        ("md.head.universe", "{}", "operator", ""),
        ("md.live.value.market.advance_decline", "{}", "operator", ""),
        ("md.live.node.big.AAPL.ibkr", "{}", "operator", ""),
        ("md.live.bar.1m.AAPL.ibkr", "{}", "operator", "gateway"),
        ("md.live.trade.AAPL.ibkr", "{}", "gateway", "operator"),
        ("md.live.quote.AAPL.ibkr", "{}", "gateway", ""),
        ("md.live.provider-bar.AAPL.ibkr", "{}", "gateway", ""),
        ("md.live.value.GDP.US.fred", "{}", "gateway", ""),
        ("$JS.API.STREAM.UPDATE.MD_TICKS_0", "{}", "", "operator"),
        (
            "$JS.API.CONSUMER.CREATE.MD_TICKS_0.operator-0",
            """
            {"stream_name":"MD_TICKS_0","config":{"name":"operator-0","ack_policy":"none",\
            "mem_storage":true,"inactive_threshold":60000000000,\
            "filter_subjects":["md.ticks.0.*","md.wm.0.*"]}}
            """, "operator", ""
        ),
        (
            "$JS.API.CONSUMER.MSG.NEXT.MD_TICKS_0.operator-0", "{\"batch\":1,\"no_wait\":true}",
            "operator", ""
        ),
        ("$KV.acme_owners.operator.7.part.1", "x", "operator", ""),
        ("$JS.API.STREAM.INFO.KV_md_owners", "", "operator", ""),
        (
            "$JS.API.STREAM.MSG.GET.KV_md_owners",
            "{\"last_by_subj\":\"$KV.md_owners.operator.7\"}", "operator", ""
        ),
        ("$KV.md_owners.store.7", "x", "writer", "operator"),
        ("$JS.API.STREAM.MSG.DELETE.KV_md_owners", "{\"seq\":1}", "", "operator"),
        ("acme.dlq.store", "x", "writer", ""),
        ("md.dlq.operator-worker", "x", "", "writer"),
        ("$JS.API.STREAM.UPDATE.MD_DLQ", "{}", "", "writer"),
        ("$JS.API.STREAM.MSG.DELETE.MD_DLQ", "{\"seq\":1}", "tool", "writer"),
        ("$KV.md_owners.operator.7.rebuild", "x", "tool", ""),
        ("$KV.md_owners", "x", "", "tool"),
        ("$JS.API.STREAM.PURGE.MD_TICKS_0", "{\"seq\":1,\"filter\":\"x\"}", "gateway", ""),
        ("$JS.API.STREAM.PURGE.MD_TICKS_0", "", "tool", "operator writer"),
        ("$JS.API.STREAM.DELETE.MD_BARS", "", "tool", "operator"),
    ]

    /// Returns requests that each service must never be allowed, whatever they name. The server
    /// carries out `republish` and `sources` with its own rights: a user that may make or change
    /// one stream may write to all.
    private static func forbidden(_ user: String) -> [(String, String)] {
        let stream = createStream("MD_TICKS_0", "md.ticks.0.*").dropLast()
        let republish = "\(stream),\"republish\":{\"src\":\">\",\"dest\":\"md.bars.1\"}}"
        let sources = "\(stream),\"sources\":[{\"name\":\"MD_DLQ\"}]}"
        let shipped = ["MD_TICKS_0", "MD_BARS", "MD_DLQ", "KV_md_owners"]
        let made = [
            "EVIL", "MD_DLQ", "MD_BARS", "MD_TICKS_0", "KV_md_groups", "KV_md_sources",
            "KV_md_operator", "KV_md_owners", "ACME_BARS",
        ]
        let push =
            "{\"stream_name\":\"KV_md_owners\",\"config\":{\"name\":\"p\","
            + "\"deliver_subject\":\"md.pos.operator\",\"ack_policy\":\"none\"}}"
        return made.map { ("$JS.API.STREAM.CREATE.\($0)", createStream($0, "zz.\(user).>")) }
            + shipped.flatMap { name in
                [
                    ("$JS.API.STREAM.UPDATE.\(name)", republish),
                    ("$JS.API.STREAM.UPDATE.\(name)", sources),
                    ("$JS.API.STREAM.DELETE.\(name)", ""),
                    ("$JS.API.STREAM.MSG.DELETE.\(name)", "{\"seq\":1}"),
                    ("$JS.API.CONSUMER.NAMES.\(name)", ""),
                    ("$JS.API.CONSUMER.LIST.\(name)", ""),
                    ("$JS.API.CONSUMER.INFO.\(name).operator-0", ""),
                    ("$JS.API.CONSUMER.DELETE.\(name).operator-0", ""),
                    ("$JS.API.CONSUMER.DURABLE.CREATE.\(name).operator-0", push),
                    ("$JS.API.CONSUMER.CREATE.\(name)", push),
                    ("$JS.API.CONSUMER.CREATE.\(name).p.md", push),
                ]
            } + [
                ("$JS.API.CONSUMER.CREATE.KV_md_owners.p", push),
                ("$JS.API.CONSUMER.CREATE.MD_DLQ.p", push),
                ("$JS.API.CONSUMER.MSG.NEXT.MD_DLQ.x", "{\"batch\":1,\"no_wait\":true}"),
                ("$JS.API.STREAM.NAMES", ""), ("$JS.API.STREAM.LIST", ""),
                ("$JS.API.SERVER.REMOVE", ""), ("$JS.API.STREAM.SNAPSHOT.MD_BARS", "{}"),
                ("$JS.API.STREAM.RESTORE.MD_BARS", "{}"), ("$JS.ACK.MD_BARS.c.1.1.1.1.0", ""),
                ("$JS.API.CONSUMER.PAUSE.MD_TICKS_0.operator-0", "{}"),
            ]
    }

    /// Subjects on which others' answers, pulls and consumers' names are visible.
    static let elsewhere = [
        ">", "_INBOX", "_INBOX_gateway", "_INBOX_operator", "_INBOX_writer", "_INBOX_tool",
        "$JS.API.CONSUMER.CREATE", "$JS.API.CONSUMER.MSG.NEXT", "$JS.EVENT.ADVISORY", "$JS.ACK",
        "$KV", "md.ticks", "md.dlq",
    ]

    @Test("each user may do what its service does, and nothing more")
    func permissions() throws {
        let shipped = try ShippedNats()
        for (subject, payload, may, mayNot) in NatsPermissionTests.attempts {
            for user in "\(may) \(mayNot)".split(separator: " ").map(String.init) {
                let answer = try shipped.client(user).request(subject, payload)
                let isDenied = answer.contains("Permissions Violation")
                let isAllowed = may.split(separator: " ").contains(user[...])
                #expect(isDenied != isAllowed, "\(user) at \(subject): \(answer)")
                #expect(isDenied || answer.contains("MSG"), "\(user) at \(subject): \(answer)")
                #expect(!answer.contains("\"error\""), "\(user) at \(subject): \(answer)")
            }
        }
        let stranger = try NatsLineClient(
            port: shipped.plan.ports[.nats], user: "gateway", password: "wrong")
        #expect(try stranger.request("md.ticks.0.a", "x").contains("Authorization Violation"))
    }

    @Test("each of three stores writes what is its own, and neither that of others nor the gateway")
    func stores() throws {
        let folder = try TemporaryFolder()
        let stores =
            try [GroupName.store]
            + ["store-b", "store-b-2"].map {
                try #require(GroupName($0))
            }
        let shipped = try ShippedNats(folder, stores: Array(stores.dropFirst()))
        for (name, subjects) in [("MD_DLQ", "md.dlq.>"), ("KV_md_owners", "$KV.md_owners.>")] {
            let made = try shipped.client("tool").request(
                "$JS.API.STREAM.CREATE.\(name)", Self.createStream(name, subjects))
            #expect(!made.contains("error"), "\(made)")
        }
        let others = ["gateway", "operator", "cockpit", "actions", "consumer"]
        for store in stores {
            let own = StoreRights.user(of: store)
            for user in stores.map({ StoreRights.user(of: $0) }) + others {
                for subject in [
                    "$KV.md_owners.\(store).3", "$KV.md_owners.\(store).database",
                    "md.hb.\(store).a", "md.pos.\(store)", "md.dlq.\(store)",
                ] {
                    let answer = try shipped.client(user).request(subject, "x")
                    let isDenied = answer.contains("Permissions Violation")
                    #expect(isDenied == (user != own), "\(user) at \(subject): \(answer)")
                    #expect(isDenied || answer.contains("MSG"), "\(user): \(answer)")
                }
                let inbox = try shipped.client(user, inbox: "_INBOX_\(own)")
                    .request("$JS.API.STREAM.INFO.MD_DLQ", "")
                #expect(
                    inbox.contains("Permissions Violation for Subscription") == (user != own),
                    "\(user) listens to \(own): \(inbox)")
            }
        }
    }

    @Test("the rights of further stores are printed for any deployment, or it says what is wrong")
    func storesOfAnyDeployment() throws {
        let file = "\(ServerPrograms.checkout)/deploy/nats/server.conf"
        func said(_ arguments: String...) throws -> String {
            try Said(["groups", "rights"] + arguments, [:]).output
        }
        let made = try said("store-b", "--file", file)
        #expect(made.contains("user: writer-b\n") && made.contains("$NATS_WRITER_B_PASSWORD"))
        #expect(
            made.contains("\"$KV.*.store-b.>\", \"*.hb.store-b.*\"") && made.contains(" writer\n"))
        for wrong in [["store", "--file", file], ["operator", "--file", file], ["store-b"]] {
            #expect(throws: ToolError.self) { try Said(["groups", "rights"] + wrong, [:]) }
        }
        let folder = try TemporaryFolder()
        let other = try folder.write("authorization {}\n", to: "other.conf")
        #expect(throws: ToolError.self) { try said("store-b", "--file", other) }
        let twice = try folder.write(made, to: "twice.conf")
        #expect(throws: ToolError.self) { try said("store-b", "--file", twice) }
        #expect(throws: ToolError.self) { try said("--file", file) }
    }

    @Test("the gateway may move the leader of each stream of the tape")
    func leaders() throws {
        let shipped = try ShippedNats()
        for stream in (0..<4).map({ "MD_TICKS_\($0)" }) + ["MD_BARS"] {
            let answer = try shipped.client("gateway")
                .request("$JS.API.STREAM.LEADER.STEPDOWN.\(stream)", "{}")
            // A single server has no leaders to move, and says so.
            #expect(answer.contains("MSG") && answer.contains("\"error\""), "\(answer)")
            #expect(!answer.contains("Permissions Violation"), "\(answer)")
        }
    }

    @Test(
        "no service makes or changes a stream, touches another's consumer, or sees its names",
        arguments: ["gateway", "operator", "writer", "cockpit", "actions"])
    func forbidden(user: String) throws {
        let shipped = try ShippedNats()
        for name in ["MD_TICKS_0", "MD_BARS", "MD_DLQ", "KV_md_owners"] {
            let subject = "x.\(name)"
            let made = try shipped.client("tool").request(
                "$JS.API.STREAM.CREATE.\(name)", Self.createStream(name, subject))
            #expect(!made.contains("error"), "\(made)")
        }
        for (subject, payload) in Self.forbidden(user) {
            let answer = try shipped.client(user).request(subject, payload)
            #expect(answer.contains("Permissions Violation"), "\(user) at \(subject): \(answer)")
        }
        if user == "gateway" {
            let answer = try shipped.client(user).request(
                "$JS.API.CONSUMER.CREATE.MD_TICKS_0.operator-0", "{}")
            #expect(answer.contains("Permissions Violation"), "\(answer)")
        }
        for place in Self.elsewhere where place != "_INBOX_\(user)" {
            let client = try shipped.client(user, inbox: place)
            let answer = try client.request("$JS.API.STREAM.INFO.MD_BARS", "")
            #expect(
                answer.contains("Permissions Violation for Subscription"),
                "\(user) at \(place): \(answer)")
        }
        let own = try shipped.client(user).request("$JS.API.STREAM.INFO.MD_BARS", "")
        #expect(own.contains("\"config\"") && !own.contains("Violation"), "\(own)")
    }

    @Test("a command that the user may not carry out says so, and whom to name")
    func toldByTheTool() throws {
        let shipped = try ShippedNats()
        #expect(try Said(["setup"], shipped.environment("tool")).code == .success)
        let error = #expect(throws: ToolError.self) {
            try Said(["groups", "register", "archive"], shipped.environment("operator"))
        }
        let text = error?.description ?? ""
        #expect(text.contains("Permissions Violation") && text.contains("'tool'"), "\(text)")
    }

    @Test("a stack of another namespace has the same rights there")
    func otherNamespace() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder, settings: ["MDS_NAMESPACE=acme"])
        let shipped = try String(
            contentsOfFile: plan.checkout.deploy("nats/server.conf"), encoding: .utf8)
        let made = try plan.natsConfiguration(shipped: shipped)
        #expect(made.contains("PURGE.ACME_TICKS_3") && made.contains("MSG.GET.KV_acme_groups"))
        try made.write(toFile: plan.home.natsConfiguration, atomically: true, encoding: .utf8)
        let unit = try #require(plan.units.first { $0.name == "nats-server" })
        #expect(unit.arguments == ["--config", plan.home.natsConfiguration])
        let server = try ServerProcess(
            unit.executable, unit.arguments, environment: unit.environment,
            logPath: folder.file("nats.log"))
        #expect(eventually { unit.problem == nil }, "\(server.log)")
        let client = try NatsLineClient(
            port: plan.ports[.nats], user: "writer", password: plan.secrets[.natsWriter])
        for (name, isAllowed) in [("ACME_BARS", true), ("MD_BARS", true), ("OTHER_BARS", false)] {
            let answer = try client.request("$JS.API.CONSUMER.MSG.NEXT.\(name).x", "{}")
            #expect(answer.contains("Violation") != isAllowed, "\(name): \(answer)")
        }
    }
}

/// The shipped configuration, as the local stack runs it.
final class ShippedNats {
    let plan: StackPlan
    private let server: ServerProcess
    private let folder: TemporaryFolder

    /// `change` makes another configuration of the shipped one.
    init(
        _ folder: TemporaryFolder? = nil, stores: [GroupName] = [], followers: [GroupName] = [],
        change: ((String) -> String)? = nil
    ) throws {
        let folder = try folder ?? TemporaryFolder()
        self.folder = folder
        let home = try madeHome(folder)
        for group in followers {
            _ = try StackSecrets.open(home.secret(StackSecrets.name(follower: group)))
        }
        plan = try testPlan(folder, stores: stores)
        let unit = try #require(plan.units.first { $0.name == "nats-server" })
        let shipped = try String(
            contentsOfFile: plan.checkout.deploy("nats/server.conf"), encoding: .utf8)
        let made = try plan.natsConfiguration(shipped: shipped)
        try (change?(made) ?? made)
            .write(toFile: plan.home.natsConfiguration, atomically: true, encoding: .utf8)
        server = try ServerProcess(
            unit.executable, unit.arguments, environment: unit.environment,
            logPath: folder.file("nats.log"))
        let log = server.log
        #expect(eventually { unit.problem == nil }, "\(log)")
    }

    func client(
        _ user: String, inbox: String? = nil, lines: String = ""
    ) throws -> NatsLineClient {
        try NatsLineClient(
            port: plan.ports[.nats], user: user, password: password(user), inbox: inbox,
            lines: lines)
    }

    /// The environment in which the tool works as this user.
    func environment(_ user: String) throws -> [String: String] {
        [
            "NATS_URL": "nats://127.0.0.1:\(plan.ports[.nats])", "NATS_USER": user,
            "NATS_PASSWORD": try password(user),
        ]
    }

    private func password(_ user: String) throws -> String {
        if let store = plan.stores.first(where: { StoreRights.user(of: $0) == user }) {
            return plan.secrets[writerOf: store]
        }
        for (group, secret) in plan.secrets.followers
        where FollowerRights.user(of: group) == user {
            return secret
        }
        return plan.secrets[try #require(StackSecrets.Name(rawValue: "nats-\(user)"))]
    }
}

/// A client of NATS' text protocol, with just enough to see what a user may do.
final class NatsLineClient {
    private let input: FileHandle
    private let replyTo: String
    private static let answerBytesMax = 1 << 20

    /// `inbox` is the prefix of the subjects on which answers come. `nil` means one on which no
    /// other user may listen. `lines` are sent together with the greeting.
    init(
        port: UInt16, user: String, password: String, inbox: String? = nil, lines: String = ""
    ) throws {
        let inbox = inbox ?? "_INBOX_\(user)"
        let topic = inbox == ">" ? inbox : "\(inbox).>"
        replyTo = inbox == ">" ? "_INBOX.t" : "\(inbox).t"
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        let isConnected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        try #require(isConnected)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        input = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try send(
            """
            CONNECT {"user":"\(user)","pass":"\(password)","verbose":false,"pedantic":false,\
            "headers":true,"no_responders":true}\r\nSUB \(topic) 1\r\n\(lines)
            """)
    }

    /// Publishes with a reply subject and returns the answer or the refusal. `answer`: what its
    /// first line has. A packet that a consumer delivers keeps its subject.
    func request(
        _ subject: String, _ payload: String, answer: String = "MSG _INBOX"
    ) throws -> String {
        try send("PUB \(subject) \(replyTo) \(payload.utf8.count)\r\n\(payload)\r\n")
        return read { lines in
            guard let start = lines.firstIndex(where: { $0.contains(answer) }) else {
                return false
            }
            return lines.count > start + 2
        }
    }

    /// Publishes, and waits until the server has taken it. Returns a refusal, if there is one.
    @discardableResult
    func publish(
        _ subject: String, _ payload: String, replyTo: String = ""
    ) throws -> String {
        try send("PUB \(subject) \(replyTo) \(payload.utf8.count)\r\n\(payload)\r\nPING\r\n")
        return read { $0.contains("PONG") }
    }

    /// Publishes with a header, as publishers of the tape do, and returns the answer.
    func request(_ subject: String, _ payload: String, header: String) throws -> String {
        let head = "NATS/1.0\r\n\(header)\r\n\r\n"
        let (bytes, all) = (head.utf8.count, head.utf8.count + payload.utf8.count)
        try send("HPUB \(subject) \(replyTo) \(bytes) \(all)\r\n\(head)\(payload)\r\n")
        return read { lines in
            guard let start = lines.firstIndex(where: { $0.contains("MSG _INBOX") }) else {
                return false
            }
            return lines.count > start + 2
        }
    }

    /// Waits until the server has taken the subscription.
    func settle() throws {
        try send("PING\r\n")
        _ = settled()
    }

    /// Returns what the server says up to its answer to a PING that was sent before.
    func settled() -> String { read { $0.contains("PONG") } }

    /// Returns what came on the subscription, up to a message of this content.
    func heard(_ payload: String) -> String { read { $0.contains(payload) } }

    /// Reads until the lines are enough, or until an error comes.
    private func read(until isEnough: ([String]) -> Bool) -> String {
        var answer = Data()
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while answer.count < NatsLineClient.answerBytesMax {
            let count = unsafe recv(input.fileDescriptor, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            answer.append(contentsOf: chunk[..<count])
            let text = String(decoding: answer, as: UTF8.self)
            let lines = text.components(separatedBy: "\r\n")
            if lines.contains(where: { $0.hasPrefix("-ERR") }), text.hasSuffix("\r\n") { break }
            if isEnough(lines) { break }
        }
        return String(decoding: answer, as: UTF8.self)
    }

    private func send(_ text: String) throws { try input.write(contentsOf: Data(text.utf8)) }
}
