import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The user `consumer` of the shipped NATS configuration, on a real server.
@Suite("deploy/nats/server.conf: people's programs")
struct NatsConsumerTests {
    static let tape = ["MD_TICKS_0", "MD_TICKS_1", "MD_TICKS_2", "MD_TICKS_3", "MD_BARS"]
    static let others = ["MD_DLQ", "KV_md_owners", "KV_md_sources"]

    static func consumer(_ stream: String, _ name: String, _ more: String) -> String {
        """
        {"stream_name":"\(stream)","config":{"name":"\(name)","ack_policy":"none",\
        "mem_storage":true,"inactive_threshold":60000000000\(more)}}
        """
    }

    private static func subject(of stream: String) -> String {
        switch stream {
        case "MD_BARS": "md.bars.0"
        case "MD_DLQ": "md.dlq.x"
        case _ where stream.hasPrefix("KV_"): "$KV.\(stream.dropFirst(3)).operator.7"
        default: "md.ticks.\(stream.last.map(String.init) ?? "").synthetic"
        }
    }

    /// Makes the streams with a message each.
    static func fill(_ shipped: ShippedNats) throws {
        let tool = try shipped.client("tool")
        for name in tape + others {
            let stream = """
                {"name":"\(name)","subjects":["\(subject(of: name))"],"storage":"file",\
                "num_replicas":1}
                """
            #expect(try !tool.request("$JS.API.STREAM.CREATE.\(name)", stream).contains("error"))
        }
        for name in tape {
            let user = name == "MD_BARS" ? "operator" : "gateway"
            let answer = try shipped.client(user).request(subject(of: name), "packet")
            #expect(answer.contains("\"seq\":1"), "\(answer)")
        }
    }

    @Test("it reads each stream of the tape by a consumer of its own, with any filter")
    func reads() throws {
        let shipped = try ShippedNats()
        try Self.fill(shipped)
        for stream in Self.tape {
            let filter = Self.subject(of: stream)
            for (name, path, more) in [
                ("all", "", ""), ("one", ".\(filter)", ",\"filter_subject\":\"\(filter)\""),
                ("some", "", ",\"filter_subjects\":[\"\(filter)\"]"),
            ] {
                let client = try shipped.client("consumer")
                let made = try client.request(
                    "$JS.API.CONSUMER.CREATE.\(stream).\(name)\(path)",
                    Self.consumer(stream, name, more))
                #expect(made.contains("\"created\"") && !made.contains("\"error\""), "\(made)")
                let packet = try client.request(
                    "$JS.API.CONSUMER.MSG.NEXT.\(stream).\(name)",
                    "{\"batch\":1,\"no_wait\":true}", answer: "MSG ")
                #expect(packet.contains("packet"), "\(stream) \(name): \(packet)")
            }
        }
    }

    @Test("a consumer on the tape ends by itself, also one that is made to stay")
    func bounded() throws {
        let shipped = try ShippedNats()
        #expect(try Said(["setup"], shipped.environment("tool")).code == .success)
        for stream in Self.tape {
            let client = try shipped.client("consumer")
            func make(_ name: String, _ more: String) throws -> String {
                try client.request(
                    "$JS.API.CONSUMER.CREATE.\(stream).\(name)",
                    """
                    {"stream_name":"\(stream)",\
                    "config":{"name":"\(name)","ack_policy":"none"\(more)}}
                    """)
            }
            for more in ["", ",\"durable_name\":\"stays\""] {
                let made = try make(more.isEmpty ? "plain" : "stays", more)
                #expect(made.contains("\"inactive_threshold\":300000000000"), "\(made)")
            }
            let refused = try make("longer", ",\"inactive_threshold\":300000000001")
            #expect(refused.contains("exceeds"), "\(refused)")
        }
    }

    @Test("the server answers, and delivers, wherever a request says: rights do not bind it")
    func unboundAnswers() throws {
        let shipped = try ShippedNats()
        try Self.fill(shipped)
        // docs/security.md says so of every user. A server that refuses it is reported here.
        for user in ["consumer", "writer"] {
            let client = try shipped.client(user)
            let made = try client.request(
                "$JS.API.CONSUMER.CREATE.MD_TICKS_0.\(user)",
                Self.consumer("MD_TICKS_0", user, ",\"deliver_subject\":\"md.bars.0\""))
            #expect(made.contains("\"created\""), "\(made)")
        }
        let tool = try shipped.client("tool")
        #expect(
            try eventually {
                try tool.request("$JS.API.STREAM.INFO.MD_BARS", "").contains("\"messages\":3")
            })
    }

    @Test("it hears what is published live, and nothing else")
    func hears() throws {
        let shipped = try ShippedNats()
        for subject in ["md.live", "acme.live"] {
            let client = try shipped.client("consumer", inbox: subject)
            try client.settle()
            try shipped.client("gateway").publish("\(subject).trade.AAPL.ibkr", "heard")
            #expect(client.heard("heard").contains("MSG \(subject).trade.AAPL.ibkr"))
        }
        for place in NatsPermissionTests.elsewhere + [
            "md.bars", "md.pos", "md.hb", "md.ask", "md.head", "md.wm", "$SRV", "$JS.API", "$SYS",
        ] {
            let answer = try shipped.client("consumer", inbox: place).request("$SRV.PING", "")
            #expect(
                answer.contains("Permissions Violation for Subscription"), "\(place): \(answer)")
        }
    }

    @Test("the program of docs/data.md hears and reads with a client that is not ours")
    func documented() throws {
        let folder = try TemporaryFolder()
        let shipped = try ShippedNats(folder)
        try Self.fill(shipped)
        let root = ServerPrograms.checkout
        let access = ConsumerAccess(
            port: shipped.plan.ports[.nats], passwordFile: "",
            password: shipped.plan.secrets[.natsConsumer])
        let program = try ServerProcess(
            "/bin/bash",
            [
                "\(root)/deploy/local/engines.sh", "--of", "nats-clients",
                "\(root)/Tests/TapelineToolServerTests/live_page.py", "\(root)/docs/data.md",
            ], environment: ["TAPELINE_NATS": access.url(withPassword: true)],
            logPath: folder.file("program.log"))
        // Until the program listens, nobody hears a trade.
        #expect(
            try eventually {
                try shipped.client("gateway").publish("md.live.trade.AAPL.ibkr", "{\"price\":1}")
                return !program.isRunning
            })
        guard program.waitUntilExit() != Self.absent else {
            print("no program ran: \(program.log)")
            return
        }
        #expect(
            program.log.hasSuffix(
                """
                a live trade, as JSON: {"price":1}
                a packet of bars: 6 bytes on md.bars.0

                """), "\(program.log)")
    }

    /// The status by which `engines.sh` reports that the package is not available.
    private static let absent: Int32 = 3

    /// All that it may not publish.
    static var refused: [String] {
        let subjects = [
            "md.ticks.0.synthetic", "md.ticks.0.manual", "md.bars.0", "md.all.universe",
            "md.wm.0.synthetic", "md.live.trade.AAPL.ibkr", "md.live.bar.1m.AAPL.ibkr",
            "md.dlq.consumer",
            "md.pos.store", "md.hb.operator.a", "md.hb.consumer.a", "md.head.synthetic",
            "md.ask.positions", "md.ask.members", "$KV.md_owners.operator.7",
            "$KV.md_groups.group.consumer", "$SRV.PING", "_INBOX.x", "_INBOX_tool.x",
            "_INBOX_gateway.x", "_INBOX_consumer.x", "$JS.API.INFO", "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.MINE", "$JS.API.ACCOUNT.PURGE.A",
            "$JS.API.SERVER.REMOVE", "$JS.API.META.LEADER.STEPDOWN",
        ]
        let ofAll = (tape + others).flatMap { stream in
            [
                "STREAM.INFO", "STREAM.UPDATE", "STREAM.PURGE", "STREAM.DELETE",
                "STREAM.MSG.DELETE", "STREAM.SNAPSHOT", "STREAM.RESTORE", "STREAM.PEER.REMOVE",
                "STREAM.LEADER.STEPDOWN", "CONSUMER.NAMES", "CONSUMER.LIST", "CONSUMER.CREATE",
                "CONSUMER.INFO.\(stream).c", "CONSUMER.DELETE.\(stream).c", "DIRECT.GET",
                "CONSUMER.DURABLE.CREATE.\(stream).c", "CONSUMER.PAUSE.\(stream).c",
                "CONSUMER.UNPIN.\(stream).c", "CONSUMER.LEADER.STEPDOWN.\(stream).c",
                "CONSUMER.RESET.\(stream).c",
            ].map { $0.contains(stream) ? "$JS.API.\($0)" : "$JS.API.\($0).\(stream)" }
                + ["$JS.ACK.\(stream).c.1.1.1.1.0"]
        }
        let ofOthers = others.flatMap { stream in
            [
                "$JS.API.STREAM.MSG.GET.\(stream)",
                "$JS.API.CONSUMER.CREATE.\(stream).c", "$JS.API.CONSUMER.CREATE.\(stream).c.x",
                "$JS.API.CONSUMER.MSG.NEXT.\(stream).c",
            ]
        }
        return subjects + ofAll + ofOthers
    }

    @Test("it publishes nothing, changes nothing, and asks nothing but for its own consumers")
    func refused() throws {
        let shipped = try ShippedNats()
        try Self.fill(shipped)
        for subject in Self.refused {
            let answer = try shipped.client("consumer").request(subject, "{}")
            #expect(
                answer.contains("Permissions Violation for Publish"), "\(subject): \(answer)")
        }
        #expect(Self.refused.count == Set(Self.refused).count)
        let stranger = try NatsLineClient(
            port: shipped.plan.ports[.nats], user: "consumer", password: "wrong")
        #expect(try stranger.request("md.bars.0", "x").contains("Authorization Violation"))
    }
}
