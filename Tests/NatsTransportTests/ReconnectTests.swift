import NatsTransport
import Primitives
import Synchronization
import TestSupport
import Testing

@Suite struct ReconnectTests {
    @Test("after a restart of the server everything goes on", arguments: [false, true])
    func restart(byCrash: Bool) throws {
        let (server, connection, events) = try NatsServer.connected()
        let jetStream = JetStream(connection)
        _ = try jetStream.createStream(StreamConfiguration(name: "S", subjects: ["s.>"]))
        let created = try #require(try jetStream.streamInfo("S")).created
        let inbox = connection.newInbox()
        let log = try MessageLog("\(inbox).>", on: connection)
        try connection.publish("1", to: "s.a", replyTo: "\(inbox).1", expected: 0)
        #expect(eventually { log.count == 1 })

        if byCrash { server.kill() } else { server.stop() }
        #expect(eventually { !connection.isConnected })
        let error = try expectFailure(NatsError.disconnected) {
            try connection.publish("2", to: "s.a", replyTo: "\(inbox).2", expected: 1)
        }
        #expect(error.isRetryable)
        #expect(eventually { events.disconnectedCount == 1 })
        try server.start()
        #expect(eventually { events.reconnectedCount == 1 })
        #expect(connection.isConnected)

        // The subscription works again, and the refused messages did not arrive.
        log.removeAll()
        try connection.publish("3", to: "s.a", replyTo: "\(inbox).3", expected: 1)
        #expect(eventually { log.count == 1 })
        #expect(
            log.all.first.map { JetStream.publishOutcome(of: $0) }
                == .stored(sequence: 2, duplicate: false))
        #expect(try jetStream.streamInfo("S")?.created == created)
        #expect(connection.serverVersion?.hasPrefix("2.") == true)
        connection.close()
        #expect(eventually { events.closedCount == 1 })
    }

    @Test("it reconnects again and again")
    func restartLoop() throws {
        let (server, connection, events) = try NatsServer.connected()
        for round in 1...4 {
            server.kill()
            try server.start()
            #expect(eventually { events.reconnectedCount == round && connection.isConnected })
            try connection.flush(timeout: patience)
        }
        #expect(events.closedCount == 0)
    }

    @Test("a server that stops answering is given up and found again")
    func paused() throws {
        let (server, connection, events) = try NatsServer.connected()
        server.pause()
        #expect(eventually { !connection.isConnected })
        server.resume()
        #expect(eventually { events.reconnectedCount >= 1 && connection.isConnected })
        try connection.flush(timeout: patience)
        #expect(events.closedCount == 0)
    }

    @Test("a link that takes no more bytes breaks after the deadline and is made anew")
    func blockedWrite() throws {
        let (server, connection, events) = try NatsServer.connected()
        let log = try MessageLog("a", on: connection)
        server.pause()
        let payload = [UInt8](repeating: 5, count: 500_000)
        let error = try failure { try connection.fill(with: payload) }
        #expect(error.isRetryable, "\(error)")
        server.resume()
        #expect(eventually { events.reconnectedCount >= 1 && connection.isConnected })
        #expect(events.closedCount == 0, "\(events.all)")
        // Half a message is never delivered as a complete one.
        #expect(log.all.allSatisfy { $0.payloadByteCount == payload.count })
        log.removeAll()
        #expect(eventually { (try? connection.publish("x", to: "a")) != nil })
        #expect(eventually { log.all.last?.text == "x" })
    }

    /// Returns how a request ends that is in flight while `end` happens.
    private func errorOfRequest(
        endedBy end: (NatsServer, NatsConnection) -> Void
    ) throws -> NatsError {
        let server = try NatsServer()
        let connection = try server.connect()
        let asked = try MessageLog("silent", on: connection)
        let thread = TestThread {
            Result { try connection.request([], to: "silent", timeout: .seconds(600)) }
        }
        #expect(eventually { asked.count == 1 })
        end(server, connection)
        return try failure { try thread.result()?.get() }
    }

    @Test("a request in flight fails when the link breaks, not when its time is up")
    func requestInFlight() throws {
        try expectFailure(NatsError.disconnected) {
            throw try errorOfRequest { server, _ in server.kill() }
        }
    }

    @Test("a request in flight ends when the connection is closed")
    func requestAtClose() throws {
        try expectFailure(NatsError.closed) {
            throw try errorOfRequest { _, connection in connection.close() }
        }
    }

    @Test("a password that is changed under us ends the connection for good, with a reason")
    func passwordChanged() throws {
        var options = NatsServer.Options()
        options.users = [.init(name: "u", password: "first")]
        let server = try NatsServer(options)
        let events = EventLog()
        let connection = try server.connect(user: "u", password: "first", events)
        server.stop()
        try server.rewriteConfiguration("\"first\"", "\"second\"")
        try server.start()
        #expect(eventually { events.closedCount == 1 })
        let reason = events.all.compactMap {
            if case .closed(let text) = $0 { text } else { nil }
        }
        #expect(reason.first?.contains("Authorization Violation") == true, "\(reason)")
        try expectFailure(NatsError.closed) { try connection.publish("x", to: "a") }
    }

    @Test("lame duck mode is announced")
    func lameDuck() throws {
        var options = NatsServer.Options()
        options.extra = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\""
        let (server, connection, events) = try NatsServer.connected(options)
        server.lameDuck()
        #expect(eventually { events.all.contains(.lameDuck) })
        withExtendedLifetime(connection) {}
    }

    @Test("many subscriptions come and go while messages flow")
    func subscriptionChurn() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        let publisher = try server.connect()
        let isRunning = Atomic<Bool>(true)
        let thread = TestThread {
            Result {
                while isRunning.load(ordering: .relaxed) { try publisher.publish("x", to: "a.b") }
            }
        }
        let received = Atomic<Int>(0)
        for _ in 0..<100 {
            let before = received.load(ordering: .relaxed)
            let subscription = try connection.subscribe("a.>", pendingMessagesMax: 1_000) { _ in
                received.add(1, ordering: .relaxed)
            }
            #expect(eventually { received.load(ordering: .relaxed) > before })
            subscription.unsubscribe()
        }
        isRunning.store(false, ordering: .relaxed)
        try #require(thread.result()).get()
    }
}
