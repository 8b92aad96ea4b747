import Foundation
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The account `PEOPLE` of the shipped NATS configuration, on a real server.
@Suite("deploy/nats/server.conf: the account of people's programs")
struct NatsPeopleTests {
    /// The limits of the account.
    private static let connectionsMax = 128
    private static let subscriptionsMax = 1_024
    private static let payloadMax = 262_144

    /// Returns the configuration with a user `consumer` that may do everything in its account, so
    /// that only the account is between it and the services.
    private static func withoutRights(_ shipped: String) -> String {
        var lines = shipped.split(separator: "\n", omittingEmptySubsequences: false)
        guard let user = lines.firstIndex(where: { $0.hasSuffix("user: consumer") }),
            let start = lines[user...].firstIndex(where: { $0.hasSuffix("permissions {") }),
            let end = lines[start...].firstIndex(of: "                }")
        else { return shipped }
        lines.removeSubrange(start...end)
        return lines.joined(separator: "\n")
    }

    private static func open(_ folder: TemporaryFolder) throws -> ShippedNats {
        let shipped = try ShippedNats(folder, change: withoutRights)
        let free = try shipped.client("consumer").publish("anything", "x")
        #expect(!free.contains("Violation"), "\(free)")
        try NatsConsumerTests.fill(shipped)
        return shipped
    }

    /// What a person's program must not do, by publishing: subject and payload.
    static let forbidden: [(subject: String, payload: String)] = [
        // It writes to the tape.
        ("md.ticks.0.synthetic", "x"), ("md.bars.0", "x"), ("md.wm.0.synthetic", "x"),
        ("md.dlq.x", "x"),
        // It speaks for a service or a person.
        ("md.act", "{}"), ("md.hb.operator.a", "{}"), ("md.pos.store", "{}"),
        ("md.head.synthetic", "{}"), ("$KV.md_owners.operator.7", "x"),
        ("_INBOX_gateway.x.1", #"{"stream":"MD_BARS","seq":9}"#),
        // It asks services for something.
        ("md.ask.positions", ""), ("md.ask.members", ""), ("$SRV.PING", ""),
        // It changes streams.
        ("$JS.API.STREAM.CREATE.MINE", #"{"name":"MINE","subjects":["mine"]}"#),
        (
            "$JS.API.STREAM.UPDATE.MD_BARS",
            #"{"name":"MD_BARS","subjects":["md.bars.0"],"storage":"file","max_msgs":1}"#
        ),
        ("$JS.API.STREAM.PURGE.MD_BARS", ""), ("$JS.API.STREAM.DELETE.MD_TICKS_0", ""),
        ("$JS.API.STREAM.MSG.DELETE.MD_BARS", #"{"seq":1}"#),
        // It touches the readers of others, and what is not of the tape.
        ("$JS.API.CONSUMER.DELETE.MD_BARS.theirs", ""), ("$JS.API.CONSUMER.NAMES.MD_BARS", ""),
        ("$JS.API.CONSUMER.PAUSE.MD_BARS.theirs", #"{"pause_until":"2100-01-01T00:00:00Z"}"#),
        ("$JS.ACK.MD_BARS.theirs.1.1.1.1.0", ""),
        (
            "$JS.API.CONSUMER.CREATE.KV_md_owners.mine",
            NatsConsumerTests.consumer("KV_md_owners", "mine", "")
        ),
        ("$JS.API.STREAM.MSG.GET.KV_md_owners", #"{"seq":1}"#),
        ("$JS.API.STREAM.MSG.GET.MD_DLQ", #"{"seq":1}"#),
        ("$JS.API.STREAM.INFO.MD_BARS", ""), ("$JS.API.STREAM.NAMES", ""), ("$JS.API.INFO", ""),
    ]

    /// Returns the state of each stream, as the server shows it to the tool.
    private static func states(_ shipped: ShippedNats) throws -> [String] {
        try (NatsConsumerTests.tape + NatsConsumerTests.others).map { name in
            let info = try shipped.client("tool").request("$JS.API.STREAM.INFO.\(name)", "")
            let state = try #require(info.range(of: "\"state\":{"), "\(info)")
            let rest = info[state.upperBound...]
            return "\(name) \(rest[..<(rest.firstIndex(of: "}") ?? rest.endIndex)])"
        }
    }

    @Test("even without rights of its own, the account lets none of the forbidden acts through")
    func acts() throws {
        let folder = try TemporaryFolder()
        let shipped = try Self.open(folder)
        let tool = try shipped.client("tool")
        #expect(
            try tool.request(
                "$JS.API.CONSUMER.CREATE.MD_BARS.theirs",
                NatsConsumerTests.consumer("MD_BARS", "theirs", "")
            ).contains("\"created\""))
        // It hears all of the namespace that is said in the services' account.
        let ear = try shipped.client("tool", inbox: "md")
        try ear.settle()
        let before = try Self.states(shipped)
        #expect(Self.forbidden.count >= 20)
        for (subject, payload) in Self.forbidden {
            let answer = try shipped.client("consumer").request(subject, payload)
            // "No responders": in this account nobody listens there.
            #expect(answer.contains("NATS/1.0 503"), "\(subject): \(answer)")
        }
        _ = try tool.publish("md.ask.members", "the end")
        let heard = ear.heard("the end")
        #expect(heard.components(separatedBy: "MSG ").count == 2, "\(heard)")
        #expect(try Self.states(shipped) == before)
        // All tools hear the answers to all tools, so this one has heard earlier ones.
        let theirs = try shipped.client("tool").request(
            "$JS.API.CONSUMER.INFO.MD_BARS.theirs", "")
        #expect(theirs.contains("\"num_pending\":1") && !theirs.contains("\"paused\":true"))
    }

    @Test("it hears nothing of the services but what is published live")
    func hears() throws {
        let folder = try TemporaryFolder()
        let shipped = try Self.open(folder)
        let ear = try shipped.client("consumer", inbox: ">")
        try ear.settle()
        for (user, subject) in [
            ("gateway", "md.ticks.0.synthetic"), ("gateway", "md.head.synthetic"),
            ("operator", "md.hb.operator.a"), ("operator", "$KV.md_owners.operator.7"),
            ("writer", "md.pos.store"), ("cockpit", "md.act"),
        ] {
            _ = try shipped.client(user).publish(subject, "not for people")
        }
        _ = try shipped.client("writer").request("$JS.API.STREAM.INFO.MD_BARS", "")
        try shipped.client("gateway").publish("md.live.trade.AAPL.ibkr", "live")
        let heard = ear.heard("live")
        #expect(heard.contains("MSG md.live.trade.AAPL.ibkr"), "\(heard)")
        #expect(heard.components(separatedBy: "MSG ").count == 2, "\(heard)")
    }

    @Test("an answer that it asks for does not leave its account, wherever it has it sent")
    func answers() throws {
        let folder = try TemporaryFolder()
        let shipped = try Self.open(folder)
        let ear = try shipped.client("tool", inbox: "md")
        try ear.settle()
        let client = try shipped.client("consumer")
        let made = try client.request(
            "$JS.API.CONSUMER.CREATE.MD_TICKS_0.c",
            NatsConsumerTests.consumer("MD_TICKS_0", "c", ""))
        #expect(made.contains("\"created\""), "\(made)")
        let before = try Self.states(shipped)
        for place in ["md.act", "md.bars.0", "md.hb.operator.a"] {
            for (subject, payload) in [
                ("$JS.API.STREAM.MSG.GET.MD_TICKS_0", #"{"seq":1}"#),
                ("$JS.API.CONSUMER.MSG.NEXT.MD_TICKS_0.c", #"{"batch":1,"no_wait":true}"#),
            ] {
                let said = try client.publish(subject, payload, replyTo: place)
                #expect(!said.contains("-ERR"), "\(said)")
            }
        }
        // The server has handled the questions when it has answered a later one.
        let packet = try client.request("$JS.API.STREAM.MSG.GET.MD_TICKS_0", #"{"seq":1}"#)
        #expect(packet.contains("\"message\""), "\(packet)")
        try shipped.client("tool").publish("md.ask.members", "the end")
        let heard = ear.heard("the end")
        #expect(heard.components(separatedBy: "MSG ").count == 2, "\(heard)")
        #expect(try Self.states(shipped) == before)
    }

    @Test("a pull goes on after the server's signs of life, and after many messages")
    func pulls() throws {
        let shipped = try ShippedNats()
        try NatsConsumerTests.fill(shipped)
        let client = try shipped.client("consumer")
        let made = try client.request(
            "$JS.API.CONSUMER.CREATE.MD_TICKS_0.c",
            NatsConsumerTests.consumer("MD_TICKS_0", "c", ""))
        #expect(made.contains("\"created\""), "\(made)")
        let begun = try client.publish(
            "$JS.API.CONSUMER.MSG.NEXT.MD_TICKS_0.c",
            #"{"batch":502,"expires":60000000000,"idle_heartbeat":500000000}"#,
            replyTo: "_INBOX_consumer.p")
        let alive = "NATS/1.0 100 Idle Heartbeat"
        let told = begun.contains(alive) ? begun : begun + client.heard(alive)
        #expect(told.contains("MSG md.ticks.0.synthetic") && told.contains(alive), "\(told)")
        let gateway = try shipped.client("gateway")
        for number in 1...500 { try gateway.publish("md.ticks.0.synthetic", "number \(number)") }
        try gateway.publish("md.ticks.0.synthetic", "the last")
        let heard = client.heard("the last")
        #expect(heard.components(separatedBy: "MSG md.ticks.0.synthetic").count == 502)
        // A packet says where it is on the tape.
        #expect(heard.contains("$JS.ACK.MD_TICKS_0.c.1.502."), "\(heard.suffix(300))")
    }

    @Test("256 connections of a person's program leave the gateway its own")
    func connections() throws {
        let shipped = try ShippedNats()
        try NatsConsumerTests.fill(shipped)
        let clients = try (0..<256).map { _ in
            try shipped.client("consumer", lines: "PING\r\n")
        }
        let answers = clients.map { $0.settled() }
        #expect(answers.count { $0.contains("PONG") } == Self.connectionsMax)
        // A refused one that had more to say may see its connection end before it reads why.
        let reason = "maximum account active connections exceeded"
        #expect(answers.contains { $0.contains(reason) })
        #expect(answers.allSatisfy { !$0.contains("-ERR") || $0.contains(reason) })
        for user in ["gateway", "operator", "writer", "cockpit", "actions", "tool"] {
            let answer = try shipped.client(user).request("$JS.API.STREAM.INFO.MD_BARS", "")
            #expect(answer.contains("\"messages\":1"), "\(user): \(answer)")
        }
    }

    @Test("its subscriptions and payloads are limited, those of services are not")
    func limits() throws {
        let shipped = try ShippedNats()
        // The inbox of the client is one of them.
        func subscribed(_ user: String, _ count: Int) throws -> String {
            let lines = (0..<count).map { "SUB _INBOX_\(user).\($0) \($0 + 2)\r\n" }
            return try shipped.client(user, lines: lines.joined() + "PING\r\n").settled()
        }
        #expect(!(try subscribed("consumer", Self.subscriptionsMax - 1)).contains("-ERR"))
        let tooMany = try subscribed("consumer", Self.subscriptionsMax)
        #expect(tooMany.contains("maximum subscriptions exceeded"), "\(tooMany)")
        #expect(!(try subscribed("gateway", Self.subscriptionsMax)).contains("-ERR"))
        func published(_ user: String, _ subject: String, _ count: Int) throws -> String {
            try shipped.client(user).publish(subject, String(repeating: "x", count: count))
        }
        let next = "$JS.API.CONSUMER.MSG.NEXT.MD_BARS.c"
        #expect(!(try published("consumer", next, Self.payloadMax)).contains("-ERR"))
        let tooLarge = try published("consumer", next, Self.payloadMax + 1)
        #expect(tooLarge.contains("Maximum Payload Violation"), "\(tooLarge)")
        let packet = try published("gateway", "md.ticks.0.synthetic", Self.payloadMax + 1)
        #expect(!packet.contains("-ERR"), "\(packet)")
    }

    @Test("a mirror has each packet of the tape, and keeps what the tape has purged")
    func mirror() throws {
        let shipped = try ShippedNats()
        try NatsConsumerTests.fill(shipped)
        let tool = try shipped.client("tool")
        func info(_ stream: String) throws -> String {
            try tool.request("$JS.API.STREAM.INFO.\(stream)", "")
        }
        let made = try tool.request(
            "$JS.API.STREAM.CREATE.COPY",
            #"{"name":"COPY","storage":"file","mirror":{"name":"MD_TICKS_0"},"#
                + #""max_age":86400000000000}"#)
        #expect(!made.contains("\"error\""), "\(made)")
        let gateway = try shipped.client("gateway")
        for sequence in 1...3 {
            let answer = try gateway.request(
                "md.ticks.0.synthetic", "packet \(sequence)",
                header: "Nats-Expected-Last-Subject-Sequence: \(sequence)")
            #expect(answer.contains("\"seq\":\(sequence + 1)"), "\(answer)")
        }
        #expect(try eventually { try info("COPY").contains("\"messages\":4") })
        let purged = try gateway.request("$JS.API.STREAM.PURGE.MD_TICKS_0", "")
        #expect(purged.contains("\"purged\":4"), "\(purged)")
        _ = try gateway.request("md.ticks.0.synthetic", "packet 4")
        #expect(try eventually { try info("COPY").contains("\"last_seq\":5") })
        #expect(try info("COPY").contains("\"messages\":5"))
        #expect(try info("MD_TICKS_0").contains("\"messages\":1"))
    }
}
