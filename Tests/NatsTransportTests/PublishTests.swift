import NatsTransport
import Primitives
import Synchronization
import TestSupport
import Testing

@Suite struct PublishTests {
    @Test("messages arrive in order, with subject, reply and payload")
    func order() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let log = try MessageLog("a.>", on: connection)
        for number in 0..<1_000 {
            try connection.publish("\(number)", to: "a.b", replyTo: "r.\(number)")
        }
        #expect(eventually { log.count == 1_000 })
        #expect(log.all.map(\.text) == (0..<1_000).map { "\($0)" })
        #expect(log.all.last?.replyTo == "r.999")
        #expect(log.all.last?.subject == "a.b")
        #expect(log.all.last?.status == nil)
        #expect(log.all.last?.header("Status") == nil)
        #expect(log.subscription.droppedMessages == 0)
        log.subscription.unsubscribe()
        try connection.publish("late", to: "a.b")
        try connection.flush(timeout: patience)
        #expect(log.count == 1_000)
    }

    @Test("headers travel with the payload")
    func headers() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let log = try MessageLog("a", on: connection)
        try connection.publish(
            Array("body".utf8), to: "a",
            headers: [("Nats-Msg-Id", "7"), ("X-Text", "grüße: a b")])
        #expect(eventually { log.count == 1 })
        let message = try #require(log.all.first)
        #expect(message.header("Nats-Msg-Id") == "7")
        #expect(message.header("X-Text") == "grüße: a b")
        #expect(message.header("absent") == nil)
        #expect(message.text == "body")
        #expect(message.replyTo == nil)
    }

    @Test("a payload above 64 KiB arrives whole", arguments: [65_535, 65_536, 300_001, 1_048_576])
    func large(byteCount: Int) throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let log = try MessageLog("a", on: connection)
        var random = SeededRandom(seed: UInt64(byteCount))
        let payload = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try connection.publish(payload, to: "a")
        #expect(eventually { log.count == 1 })
        #expect(log.all.first?.payloadByteCount == byteCount)
        #expect(log.all.first?.payload == payload)
    }

    @Test("what the server would not take is refused before it is sent")
    func tooLarge() throws {
        let server = try NatsServer()
        let events = EventLog()
        let connection = try server.connect(events)
        let full = [UInt8](repeating: 1, count: 1_048_576)
        let expected = (name: "Nats-Expected-Last-Subject-Sequence", value: "1")
        try expectFailure(NatsError.payloadTooLarge) { try connection.publish(full + [1], to: "a") }
        // libnats checks only the payload. The server adds the headers and ends the connection.
        try expectFailure(NatsError.payloadTooLarge) {
            try connection.publish(full, to: "a", replyTo: "b", headers: [expected])
        }
        var route = try PublishRoute(subject: "a", replyPrefix: "b")
        try expectFailure(NatsError.payloadTooLarge) {
            try full.withRawSpan { span throws(NatsError) in
                try connection.publish(
                    span, on: &route, number: 1, expectedLastSubjectSequence: 1)
            }
        }
        try connection.flush(timeout: patience)
        #expect(connection.isConnected)
        #expect(events.all.isEmpty)
        let headerBytes = "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 1\r\n\r\n".utf8.count
        try connection.publish(
            full.dropLast(headerBytes), to: "a", replyTo: "b", headers: [expected])
        try connection.flush(timeout: patience)
        #expect(events.all.isEmpty)
    }

    @Test(
        "a subject that would break the protocol is refused",
        arguments: [
            "", ".", "a.", ".a", "a..b", "a b", "a\r\nPUB b 1", "a\u{0}b", "a.*", ">", "a\tb",
            String(repeating: "x", count: 1_025),
        ])
    func badSubject(subject: String) throws {
        let server = try NatsServer()
        let events = EventLog()
        let connection = try server.connect(events)
        let errors = try [
            expectFailure(NatsError.invalid) { try connection.publish("x", to: subject) },
            expectFailure(NatsError.invalid) {
                try connection.publish("x", to: "a", replyTo: subject)
            },
        ]
        for error in errors { #expect(!"\(error)".contains { $0.isNewline }) }
        try connection.flush(timeout: patience)
        #expect(events.all.isEmpty)
    }

    @Test("a subscription's pattern is checked too", arguments: ["a..b", "a.>.b", "a b", "a*", ""])
    func badPattern(subject: String) throws {
        let server = try NatsServer()
        let connection = try server.connect()
        try expectFailure(NatsError.invalid) {
            try connection.subscribe(subject, pendingMessagesMax: 1) { _ in }
        }
        #expect(connection.isConnected)
    }

    @Test(
        "a header that would forge another is refused",
        arguments: [("A\r\nB", "x"), ("", "x"), ("A:B", "x"), ("A", "x\r\nB: y"), ("A", "\u{0}")])
    func badHeader(name: String, value: String) throws {
        let server = try NatsServer()
        let connection = try server.connect()
        try expectFailure(NatsError.invalid) {
            try connection.publish([], to: "a", headers: [(name, value)])
        }
    }

    @Test("a request is answered; without a responder it fails at once")
    func request() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let responder = try server.connect()
        let service = try responder.subscribe("echo", pendingMessagesMax: 10) { message in
            guard let replyTo = message.replyTo else { return }
            do {
                try message.withPayload { span throws(NatsError) in
                    try responder.publish(span, to: replyTo)
                }
            } catch {
                Issue.record(error)
            }
        }
        try responder.flush(timeout: patience)
        for number in 0..<50 {
            let answer = try connection.request(
                Array("\(number)".utf8), to: "echo", timeout: patience)
            #expect(answer.text == "\(number)")
        }
        let error = try expectFailure(NatsError.noResponders) {
            try connection.request([], to: "nobody", timeout: patience)
        }
        #expect(error.failure.operation == "request to nobody")
        withExtendedLifetime(service) {}
    }

    @Test("a request that nobody answers times out by our clock")
    func timeout() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let silent = try connection.subscribe("silent", pendingMessagesMax: 10) { _ in }
        let error = try expectFailure(NatsError.timedOut) {
            try connection.request([], to: "silent", timeout: .milliseconds(50))
        }
        #expect(error.isRetryable)
        withExtendedLifetime(silent) {}
    }

    @Test("without a responder the reply subject gets a 503")
    func noResponders() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let inbox = connection.newInbox()
        let log = try MessageLog("\(inbox).>", on: connection)
        try connection.publish("x", to: "nobody", replyTo: "\(inbox).7")
        #expect(eventually { log.count == 1 })
        let message = try #require(log.all.first)
        #expect(message.status == 503)
        #expect(message.subject == "\(inbox).7")
        #expect(JetStream.publishOutcome(of: message) == .noResponders)
    }

    @Test("inboxes are unique")
    func inboxes() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let inboxes = Set((0..<1_000).map { _ in connection.newInbox() })
        #expect(inboxes.count == 1_000)
        #expect(inboxes.allSatisfy { $0.hasPrefix("_INBOX.") && $0.utf8.count < 40 })
    }

    @Test("what a user may not publish to or subscribe to is reported with its subject")
    func permissions() throws {
        var options = NatsServer.Options()
        options.users = [
            .init(
                name: "gateway", password: "p",
                permissions: "publish: \"a.>\", subscribe: \"_INBOX.>\"")
        ]
        let server = try NatsServer(options)
        let events = EventLog()
        let connection = try server.connect(user: "gateway", password: "p", events)
        try connection.publish("x", to: "secret.one")
        #expect(eventually { events.asyncErrors.contains { $0.contains("secret.one") } })
        let refused = try connection.subscribe("secret.two", pendingMessagesMax: 1) { _ in }
        #expect(eventually { events.asyncErrors.contains { $0.contains("secret.two") } })
        try connection.publish("x", to: "a.b")
        try connection.flush(timeout: patience)
        #expect(connection.isConnected)
        withExtendedLifetime(refused) {}
    }

    @Test("a slow subscription drops beyond its limit, counts it and says so")
    func slow() throws {
        let server = try NatsServer()
        let events = EventLog()
        let connection = try server.connect(events)
        let gate = Locked(false)
        let handled = Atomic<Int>(0)
        let subscription = try connection.subscribe("a", pendingMessagesMax: 5) { _ in
            _ = eventually { gate.withLock { $0 } }
            handled.add(1, ordering: .relaxed)
        }
        for _ in 0..<50 { try connection.publish("x", to: "a") }
        #expect(eventually { subscription.droppedMessages >= 44 })
        gate.withLock { $0 = true }
        #expect(
            eventually { handled.load(ordering: .relaxed) == 50 - subscription.droppedMessages })
        #expect(eventually { events.asyncErrors.contains { $0.contains("dropped") } })
    }
}
