import Foundation
import TestSupport
import Testing

@testable import TapelineTool

/// The shipped NATS configuration, on a real server.
@Suite("deploy/nats/server.conf")
struct NatsPermissionTests {
    private static func createStream(_ name: String, _ subjects: String) -> String {
        "{\"name\":\"\(name)\",\"subjects\":[\"\(subjects)\"],\"storage\":\"file\"}"
    }

    /// User, subject, payload, whether it may publish that.
    private static let attempts: [(String, String, String, Bool)] = [
        (
            "gateway", "$JS.API.STREAM.CREATE.MD_TICKS_0",
            createStream("MD_TICKS_0", "md.ticks.0.*"), true
        ),
        ("gateway", "md.ticks.0.synthetic", "x", true),
        ("gateway", "acme.ticks.31.ib", "x", true),
        ("gateway", "md.wm.0.synthetic", "x", true),
        ("gateway", "md.dlq.provider-gateway", "x", true),
        ("gateway", "md.dlq.store-writer", "x", false),
        ("gateway", "$JS.API.STREAM.MSG.GET.MD_TICKS_0", "{\"seq\":1}", true),
        (
            "gateway", "$JS.API.STREAM.CREATE.KV_md_owners",
            createStream("KV_md_owners", "$KV.md_owners.>"), true
        ),
        ("gateway", "$KV.md_owners.gateway.synthetic", "x", true),
        ("gateway", "$KV.md_owners.operator.7", "x", false),
        ("gateway", "$KV.md_owners.gateway", "x", false),
        ("gateway", "$SRV.PING", "", false),
        ("gateway", "md.ask.positions", "", true),
        ("gateway", "md.pos.writer", "{}", false),
        ("gateway", "$KV.md_owners.source-synthetic.0", "x", true),
        ("gateway", "$KV.md_owners.keeper.0", "x", true),
        ("gateway", "$KV.md_owners.writer.0", "x", false),
        ("gateway", "md.hb.source-synthetic.a", "{}", true),
        ("gateway", "md.hb.keeper.a", "{}", true),
        ("gateway", "md.hb.writer.a", "{}", false),
        ("gateway", "md.ask.members", "", true),
        ("operator", "md.hb.operator.a", "{}", true),
        ("operator", "md.hb.writer.a", "{}", false),
        ("operator", "md.ask.members", "", true),
        ("writer", "md.hb.writer.a", "{}", true),
        ("writer", "md.hb.operator.a", "{}", false),
        ("writer", "md.ask.members", "", true),
        ("tool", "md.ask.members", "", true),
        ("tool", "md.hb.operator.a", "{}", false),
        ("tool", "md.ask.positions", "", true),
        ("tool", "md.ticks.0.manual", "x", true),
        ("operator", "md.pos.operator", "{}", true),
        ("operator", "md.pos.writer", "{}", false),
        ("writer", "md.pos.writer", "{}", true),
        ("writer", "md.pos.operator", "{}", false),
        ("gateway", "md.bars.0", "x", false),
        ("gateway", "md.ticks.0", "x", false),
        ("gateway", "$JS.API.STREAM.PURGE.MD_TICKS_0", "{\"seq\":1,\"filter\":\"x\"}", true),
        ("operator", "$JS.API.STREAM.PURGE.MD_TICKS_0", "", false),
        ("writer", "$JS.API.STREAM.PURGE.MD_TICKS_0", "", false),
        ("operator", "md.wm.0.synthetic", "x", false),
        ("writer", "md.wm.0.synthetic", "x", false),
        ("operator", "md.ticks.0.manual", "x", false),
        ("gateway", "$JS.API.STREAM.DELETE.MD_TICKS_0", "", false),
        ("operator", "$JS.API.STREAM.DELETE.MD_TICKS_0", "", false),
        ("writer", "$JS.API.STREAM.DELETE.MD_TICKS_0", "", false),
        ("gateway", "md.head.synthetic", "{}", true),
        ("operator", "md.head.synthetic", "{}", false),
        (
            "gateway", "$JS.API.STREAM.UPDATE.MD_TICKS_0",
            createStream("MD_TICKS_0", "md.ticks.0.*"), true
        ),
        ("gateway", "$JS.API.STREAM.UPDATE.MD_BARS", "{}", false),
        ("gateway", "$JS.API.CONSUMER.CREATE.MD_TICKS_0.c", "{}", false),
        ("operator", "$JS.API.STREAM.CREATE.MD_BARS", createStream("MD_BARS", "md.bars.*"), true),
        ("operator", "md.bars.0", "x", true),
        ("operator", "md.all.universe", "x", true),
        ("operator", "md.head.universe", "{}", true),
        ("operator", "md.live.value.market.advance_decline", "{}", true),
        ("operator", "md.live.node.big.AAPL", "{}", true),
        ("operator", "$JS.API.STREAM.UPDATE.MD_BARS", createStream("MD_BARS", "md.bars.*"), true),
        ("operator", "$JS.API.STREAM.UPDATE.MD_TICKS_0", "{}", false),
        ("gateway", "md.all.universe", "x", false),
        ("writer", "md.all.universe", "x", false),
        (
            "operator", "$JS.API.CONSUMER.CREATE.MD_TICKS_0.c",
            """
            {"stream_name":"MD_TICKS_0","config":{"name":"c","ack_policy":"none",\
            "mem_storage":true,"inactive_threshold":60000000000,\
            "filter_subjects":["md.ticks.0.*","md.wm.0.*"]}}
            """, true
        ),
        (
            "operator", "$JS.API.CONSUMER.MSG.NEXT.MD_TICKS_0.c", "{\"batch\":1,\"no_wait\":true}",
            true
        ),
        ("operator", "$KV.md_owners.operator.7", "x", true),
        ("operator", "$KV.acme_owners.operator.7.part.1", "x", true),
        ("operator", "$JS.API.STREAM.INFO.KV_md_owners", "", true),
        (
            "operator", "$JS.API.STREAM.MSG.GET.KV_md_owners",
            "{\"last_by_subj\":\"$KV.md_owners.operator.7\"}", true
        ),
        ("operator", "$KV.md_owners.writer.7", "x", false),
        ("operator", "$KV.md_owners.gateway.synthetic", "x", false),
        ("operator", "$JS.API.STREAM.MSG.DELETE.KV_md_owners", "{\"seq\":1}", false),
        ("operator", "$JS.API.STREAM.PURGE.KV_md_owners", "", false),
        ("operator", "_INBOX_gateway.x", "{}", false),
        ("operator", "md.ticks.0.synthetic", "x", false),
        ("operator", "$JS.API.STREAM.DELETE.MD_BARS", "", false),
        ("writer", "$JS.API.STREAM.INFO.MD_BARS", "", true),
        ("writer", "$JS.API.CONSUMER.DELETE.MD_TICKS_0.c", "", true),
        ("writer", "$KV.md_owners.writer.7", "x", true),
        ("writer", "$KV.md_owners.operator.7", "x", false),
        ("writer", "$JS.API.STREAM.CREATE.MD_DLQ", createStream("MD_DLQ", "md.dlq.>"), true),
        ("writer", "$JS.API.STREAM.CREATE.MD_BARS", createStream("MD_BARS", "md.bars.*"), false),
        (
            "writer", "$JS.API.STREAM.CREATE.KV_md_groups",
            createStream("KV_md_groups", "$KV.md_groups.>"), false
        ),
        ("writer", "md.dlq.store-writer", "x", true),
        ("writer", "acme.dlq.store-writer", "x", true),
        ("writer", "md.dlq.operator-worker", "x", false),
        ("operator", "md.dlq.store-writer", "x", false),
        ("writer", "$JS.API.STREAM.UPDATE.MD_DLQ", "{}", false),
        ("writer", "$JS.API.STREAM.MSG.DELETE.MD_DLQ", "{\"seq\":1}", false),
        ("writer", "$JS.API.STREAM.PURGE.MD_DLQ", "", false),
        ("writer", "_INBOX_gateway.x", "{}", false),
        ("writer", "md.bars.0", "x", false),
        ("writer", "md.ticks.0.synthetic", "x", false),
        ("writer", "$JS.API.STREAM.PURGE.MD_BARS", "", false),
        ("tool", "$JS.API.STREAM.MSG.DELETE.MD_DLQ", "{\"seq\":1}", true),
        ("tool", "md.ticks.0.synthetic", "x", false),
        ("tool", "md.bars.0", "x", false),
        ("tool", "$KV.md_owners.operator.7.rebuild", "x", true),
        ("tool", "$KV.md_owners.gateway.synthetic", "x", true),
        ("tool", "$KV.md_owners", "x", false),
        ("tool", "md.wm.0.synthetic", "x", false),
        ("tool", "_INBOX_gateway.x", "{}", false),
        ("tool", "$SRV.PING", "", true),
        ("tool", "$JS.API.STREAM.PURGE.MD_TICKS_0", "", true),
        ("tool", "$JS.API.STREAM.DELETE.MD_BARS", "", true),
    ]

    @Test("each user may do what its service does, and nothing more")
    func permissions() throws {
        let folder = try TemporaryFolder()
        let plan = try testPlan(folder)
        let unit = try #require(plan.units.first { $0.name == "nats-server" })
        let server = try ServerProcess(
            unit.executable, unit.arguments, environment: unit.environment,
            logPath: folder.file("nats.log"))
        #expect(eventually { unit.problem == nil }, "\(server.log)")
        let secrets: [String: StackSecrets.Name] = [
            "gateway": .natsGateway, "operator": .natsOperator, "writer": .natsWriter,
            "tool": .natsTool,
        ]
        for (user, subject, payload, isAllowed) in NatsPermissionTests.attempts {
            let secret = plan.secrets[try #require(secrets[user])]
            let client = try NatsLineClient(port: plan.ports[.nats], user: user, password: secret)
            let answer = try client.request(subject, payload)
            let isDenied = answer.contains("Permissions Violation")
            #expect(isDenied != isAllowed, "\(user) at \(subject): \(answer)")
            #expect(isDenied || answer.contains("MSG"), "\(user) at \(subject): \(answer)")
            #expect(!answer.contains("\"error\""), "\(user) at \(subject): \(answer)")
        }
        // Nobody but the tool can listen to the answers of others.
        for user in ["gateway", "operator", "writer", "tool"] {
            let secret = plan.secrets[try #require(secrets[user])]
            for inbox in ["_INBOX", "_INBOX_gateway", "_INBOX_operator", "_INBOX_writer"] {
                let client = try NatsLineClient(
                    port: plan.ports[.nats], user: user, password: secret, inbox: inbox)
                let answer = try client.request("$JS.API.INFO", "")
                let mayListen = user == "tool" || inbox == "_INBOX_\(user)"
                #expect(
                    answer.contains("Permissions Violation for Subscription") != mayListen,
                    "\(user) at \(inbox): \(answer)")
            }
        }
        let stranger = try NatsLineClient(
            port: plan.ports[.nats], user: "gateway", password: "wrong")
        #expect(try stranger.request("md.ticks.0.a", "x").contains("Authorization Violation"))
    }
}

/// The text protocol of NATS, just enough to see what a user may do.
final class NatsLineClient {
    private let input: FileHandle
    private let inbox: String
    private static let answerBytesMax = 1 << 20

    /// `inbox`: below which its answers come; nil: where nobody else may listen.
    init(port: UInt16, user: String, password: String, inbox: String? = nil) throws {
        self.inbox = inbox ?? "_INBOX_\(user)"
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
            "headers":true,"no_responders":true}\r\nSUB \(self.inbox).t 1\r\n
            """)
    }

    /// Publishes with a reply subject and returns what comes back: an answer, or a refusal.
    func request(_ subject: String, _ payload: String) throws -> String {
        try send("PUB \(subject) \(inbox).t \(payload.utf8.count)\r\n\(payload)\r\n")
        var answer = Data()
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while answer.count < NatsLineClient.answerBytesMax {
            let count = unsafe recv(input.fileDescriptor, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            answer.append(contentsOf: chunk[..<count])
            let text = String(decoding: answer, as: UTF8.self)
            let lines = text.components(separatedBy: "\r\n")
            if lines.contains(where: { $0.hasPrefix("-ERR") }), text.hasSuffix("\r\n") { break }
            if let start = lines.firstIndex(where: { $0.contains("MSG _INBOX") }),
                lines.count > start + 2
            {
                break
            }
        }
        return String(decoding: answer, as: UTF8.self)
    }

    private func send(_ text: String) throws { try input.write(contentsOf: Data(text.utf8)) }
}
