import NatsTransport
import Primitives
import TestSupport
import Testing

/// A password that changes while a connection lives.
@Suite struct RenewalTests {
    /// A server with a user, and the place where its password stands.
    private struct Scene {
        let server: NatsServer
        let place = Locked<String?>("first")
        let events = EventLog()

        init() throws {
            var options = NatsServer.Options()
            options.users = [
                .init(name: "u", password: "first"), .init(name: "other", password: "other"),
            ]
            server = try NatsServer(options)
        }

        func connect() throws -> NatsConnection {
            let (place, events) = (place, events)
            var configuration = NatsConfiguration(urls: [server.url], clientName: "test")
            configuration.user = "u"
            let kept = Locked("first")
            configuration.renewable = RenewableSecret(
                present: { kept.withLock { $0 } },
                renew: { refused in
                    kept.withLock { kept in
                        guard kept == refused else { return true }
                        guard let new = place.withLock({ $0 }), new != refused else {
                            return false
                        }
                        kept = new
                        return true
                    }
                })
            return try NatsConnection(configuration) { events.add($0) }
        }

        func changeAtServer() throws {
            try server.rewriteConfiguration("\"first\"", "\"second\"")
        }

        var refusals: Int { events.count { if case .refused = $0 { true } else { false } } }
    }

    @Test("after a change at the server everything goes on with the new password")
    func reload() throws {
        let scene = try Scene()
        let connection = try scene.connect()
        let log = try MessageLog("a.>", on: connection)
        let inbox = try connection.openInbox()
        let responder = try connection.subscribe("ask", pendingMessagesMax: 10) { message in
            try? connection.publish("answer", to: message.replyTo ?? "none")
        }
        let ended = try connection.subscribe("a.>", pendingMessagesMax: 10) { _ in
            Issue.record("it was ended before")
        }
        ended.unsubscribe()
        _ = try connection.request([], to: "ask", timeout: patience)

        for round in 1...3 {
            let before = scene.events.reconnectedCount
            scene.place.withLock { $0 = "round \(round)" }
            try scene.server.rewriteConfiguration(
                round == 1 ? "\"first\"" : "\"round \(round - 1)\"", "\"round \(round)\"")
            scene.server.reload()
            #expect(eventually { scene.events.reconnectedCount > before && connection.isConnected })
            try connection.publish("\(round)", to: "a.b")
            #expect(eventually { log.all.last?.text == "\(round)" })
            #expect(log.count == round)
            try connection.publish("in the inbox", to: "\(inbox.prefix).x")
            var messages: [NatsMessage] = []
            let outcome = inbox.receive(into: &messages, max: 5, timeout: patience)
            #expect(outcome == .init(received: 1) && messages.first?.text == "in the inbox")
            let answer = try connection.request([], to: "ask", timeout: patience)
            #expect(answer.text == "answer")
        }
        #expect(scene.events.closedCount == 0, "\(scene.events.all)")
        withExtendedLifetime(responder) {}
    }

    @Test("an inbox that is waited for gets the first message of the new link")
    func waiting() throws {
        let scene = try Scene()
        let connection = try scene.connect()
        let inbox = try connection.openInbox()
        let thread = TestThread {
            var messages: [NatsMessage] = []
            while messages.isEmpty {
                let outcome = inbox.receive(into: &messages, max: 1, timeout: patience)
                if outcome.isClosed { return "closed" }
            }
            return messages[0].text
        }
        scene.place.withLock { $0 = "second" }
        try scene.changeAtServer()
        scene.server.reload()
        #expect(eventually { scene.events.reconnectedCount > 0 })
        try connection.publish("here", to: "\(inbox.prefix).x")
        #expect(thread.result() == "here")
    }

    @Test("while the place has the old password it is refused, told once, and tried again")
    func late() throws {
        let scene = try Scene()
        let connection = try scene.connect()
        try scene.changeAtServer()
        scene.server.reload()
        #expect(eventually { scene.refusals == 1 })
        let error = try expectFailure(NatsError.disconnected) {
            try connection.publish("x", to: "a")
        }
        #expect(error.isRetryable)
        // A file that cannot be read changes nothing.
        scene.place.withLock { $0 = nil }
        #expect(!connection.isConnected)
        scene.place.withLock { $0 = "second" }
        #expect(eventually { connection.isConnected })
        try connection.flush(timeout: patience)
        #expect(scene.refusals == 1 && scene.events.closedCount == 0, "\(scene.events.all)")
    }

    @Test("it is closed once, also while it waits for a password")
    func closed() throws {
        let scene = try Scene()
        let connection = try scene.connect()
        let inbox = try connection.openInbox()
        try scene.changeAtServer()
        scene.server.reload()
        #expect(eventually { scene.refusals == 1 })
        connection.close()
        #expect(eventually { scene.events.closedCount == 1 })
        try expectFailure(NatsError.closed) { try connection.publish("x", to: "a") }
        var messages: [NatsMessage] = []
        let outcome = inbox.receive(into: &messages, max: 1, timeout: patience)
        #expect(outcome.isClosed)
        connection.close()
        #expect(scene.events.closedCount == 1, "\(scene.events.all)")
    }

    @Test("its last reference ends it, also while it waits for a password")
    func released() throws {
        let scene = try Scene()
        var connection: NatsConnection? = try scene.connect()
        weak let gone = connection
        try scene.changeAtServer()
        scene.server.reload()
        #expect(eventually { scene.refusals == 1 })
        connection = nil
        #expect(eventually { gone == nil && scene.events.closedCount == 1 })
    }

    @Test("users whose password stays are not touched by the change of another's")
    func others() throws {
        let scene = try Scene()
        let events = EventLog()
        let other = try scene.server.connect(user: "other", password: "other", events)
        let connection = try scene.connect()
        scene.place.withLock { $0 = "second" }
        try scene.changeAtServer()
        scene.server.reload()
        #expect(eventually { scene.events.reconnectedCount > 0 })
        try other.flush(timeout: patience)
        #expect(events.disconnectedCount == 0)
        withExtendedLifetime(connection) {}
    }
}
