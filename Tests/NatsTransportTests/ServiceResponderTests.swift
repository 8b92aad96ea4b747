import Primitives
import TestSupport
import Testing

@testable import NatsTransport

@Suite struct ServiceResponderTests {
    private static let started = Timestamp(nanoseconds: 1_769_864_709_123_456_789)

    private func announcement(
        _ name: String = "store-writer", id: String = "instance-1", version: String = "1.2.3"
    ) -> ServiceAnnouncement {
        ServiceAnnouncement(
            name: name, id: id, version: version, summary: "Writes \"rows\".",
            metadata: ["b": "2", "a": "1"], started: Self.started)
    }

    @Test(
        "every question is answered in the protocol's own words",
        arguments: [
            (
                "PING",
                #"{"type":"io.nats.micro.v1.ping_response","name":"store-writer","#
                    + #""id":"instance-1","version":"1.2.3","metadata":{"a":"1","b":"2"}}"#
            ),
            (
                "INFO",
                #"{"type":"io.nats.micro.v1.info_response","name":"store-writer","#
                    + #""id":"instance-1","version":"1.2.3","metadata":{"a":"1","b":"2"},"#
                    + #""description":"Writes \"rows\".","endpoints":[]}"#
            ),
            (
                "STATS",
                #"{"type":"io.nats.micro.v1.stats_response","name":"store-writer","#
                    + #""id":"instance-1","version":"1.2.3","metadata":{"a":"1","b":"2"},"#
                    + #""started":"2026-01-31T13:05:09.123456789Z","endpoints":[]}"#
            ),
        ])
    func answers(verb: String, expected: String) throws {
        let server = try NatsServer()
        let service = try server.connect()
        let asked = Locked<[ServiceQuestion]>([])
        let responder = try ServiceResponder(announcement(), on: service) { question, failure in
            #expect(failure == nil)
            asked.withLock { $0.append(question) }
        }
        try service.flush(timeout: patience)
        let tool = try server.connect()
        for address in ["", ".store-writer", ".store-writer.instance-1"] {
            let answer = try tool.request([], to: "$SRV.\(verb)\(address)", timeout: patience)
            #expect(answer.text == expected)
        }
        #expect(eventually { asked.withLock { $0.count } == 3 })
        #expect(asked.withLock { $0 }.allSatisfy { $0.rawValue == verb })
        for address in [".other", ".other.instance-1", ".store-writer.instance-2", ".a.b.c"] {
            try expectFailure(NatsError.noResponders, "\(address)") {
                try tool.request([], to: "$SRV.\(verb)\(address)", timeout: patience)
            }
        }
        responder.stop()
        try service.flush(timeout: patience)
        try expectFailure(NatsError.noResponders) {
            try tool.request([], to: "$SRV.\(verb)", timeout: patience)
        }
    }

    @Test("each instance answers once, also after the server was restarted")
    func everybodyOnce() throws {
        let server = try NatsServer()
        let events = EventLog()
        let connections = try (0..<3).map { _ in try server.connect(events) }
        let responders = try connections.enumerated().map { index, connection in
            try ServiceResponder(
                announcement(index == 0 ? "gateway" : "worker", id: "i\(index)"), on: connection)
        }
        let tool = try server.connect()
        let inbox = tool.newInbox()
        let log = try MessageLog("\(inbox).>", on: tool)
        for round in 0..<2 {
            for connection in connections { try connection.flush(timeout: patience) }
            log.removeAll()
            try tool.publish("", to: "$SRV.PING", replyTo: "\(inbox).all")
            #expect(eventually { log.count == 3 })
            try tool.publish("", to: "$SRV.PING.worker", replyTo: "\(inbox).worker")
            try tool.publish("", to: "$SRV.PING.worker.i2", replyTo: "\(inbox).one")
            // Unknown requests and those without a reply subject are ignored.
            try tool.publish("", to: "$SRV.NOTHING", replyTo: "\(inbox).nothing")
            try tool.publish("", to: "$SRV.PING")
            try tool.publish("", to: "$SRV.PING.gateway.i0", replyTo: "\(inbox).last")
            #expect(eventually { log.count >= 7 })
            let ids = try log.all.map { message in
                let answer = try JSONValue.parse(message.payload)
                let asked = message.subject.split(separator: ".").last ?? ""
                return "\(asked) \(answer["id"]?.string ?? "")"
            }
            #expect(
                ids.sorted() == [
                    "all i0", "all i1", "all i2", "last i0", "one i2", "worker i1", "worker i2",
                ])
            guard round == 0 else { break }
            try server.restart()
            #expect(eventually { events.reconnectedCount == 3 && tool.isConnected })
        }
        withExtendedLifetime(responders) {}
    }

    @Test("an answer that cannot be sent is told, and does no harm")
    func failedAnswer() throws {
        let server = try NatsServer()
        let service = try server.connect()
        let failures = Locked<[NatsError]>([])
        let responder = try ServiceResponder(
            ServiceAnnouncement(
                name: "big", version: "1.0.0", summary: "",
                metadata: ["a": String(repeating: "x", count: 1_100_000)],
                started: Self.started), on: service
        ) { _, failure in
            if let failure { failures.withLock { $0.append(failure) } }
        }
        try service.flush(timeout: patience)
        let tool = try server.connect()
        try tool.publish("", to: "$SRV.PING", replyTo: tool.newInbox())
        #expect(eventually { failures.withLock { $0.count } == 1 })
        guard case .payloadTooLarge = failures.withLock({ $0.first }) else {
            Issue.record("\(failures.withLock { $0 })")
            return
        }
        #expect(service.isConnected)
        #expect(responder.announcement.id.utf8.count > 10)
    }

    @Test(
        "names and versions that the protocol does not allow are refused",
        arguments: [
            ("a", "1.2.3", true), ("A_b-9", "0.0.0", true), ("a", "1.2.3-rc.1+build-5.x", true),
            ("a", "10.20.30+x", true), ("", "1.2.3", false), ("a.b", "1.2.3", false),
            ("a b", "1.2.3", false), ("a*", "1.2.3", false), ("a", "1.2", false),
            ("a", "v1.2.3", false), ("a", "1.2.3.4", false), ("a", "01.2.3", false),
            ("a", "1.2.3-", false), ("a", "1.2.3+", false), ("a", "1..3", false), ("a", "", false),
            ("a", "1.2.3-a_b", false), ("a", "1.2.3-a..b", false),
            (String(repeating: "n", count: 65), "1.2.3", false),
        ])
    func names(name: String, version: String, isValid: Bool) {
        #expect((announcement(name, version: version).problem == nil) == isValid)
        #expect(announcement(id: "a.b").problem != nil)
    }

    @Test("an announcement that is not allowed is an error and subscribes to nothing")
    func refused() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        try expectFailure(NatsError.invalid) {
            try ServiceResponder(announcement("a.b"), on: connection)
        }
    }

    @Test("answers can come to an inbox of one's own, which others cannot listen to")
    func privateInbox() throws {
        var options = NatsServer.Options()
        options.users = [
            NatsServer.User(
                name: "one", password: "p",
                permissions: "publish: [\">\"], subscribe: [\"_INBOX_one.>\", \"$SRV.>\"]"),
            NatsServer.User(
                name: "two", password: "p",
                permissions: "publish: [\">\"], subscribe: [\"_INBOX_two.>\"]"),
        ]
        let server = try NatsServer(options)
        let events = EventLog()
        func connect(_ user: String) throws -> NatsConnection {
            var configuration = NatsConfiguration(urls: [server.url], clientName: "test")
            configuration.user = user
            configuration.password = "p"
            configuration.keepAnswersPrivate()
            return try NatsConnection(configuration) { events.add($0) }
        }
        let one = try connect("one")
        let two = try connect("two")
        #expect(one.newInbox().hasPrefix("_INBOX_one."))
        _ = try ServiceResponder(announcement(), on: one)
        let responder = try ServiceResponder(announcement(id: "i"), on: one)
        try one.flush(timeout: patience)
        let answer = try two.request([], to: "$SRV.PING.store-writer.i", timeout: patience)
        #expect(answer.text.contains("\"id\":\"i\""))
        #expect(answer.subject.hasPrefix("_INBOX_two."))
        #expect(events.asyncErrors == [])
        let spy = try two.subscribe("_INBOX_one.>", pendingMessagesMax: 1) { _ in }
        #expect(eventually { !events.asyncErrors.isEmpty })
        withExtendedLifetime((responder, spy)) {}
        var odd = NatsConfiguration(urls: [], clientName: "test")
        for user in [nil, "", "a.b", "a b"] {
            odd.user = user
            odd.keepAnswersPrivate()
            #expect(odd.inboxPrefix == "_INBOX")
        }
    }
}
