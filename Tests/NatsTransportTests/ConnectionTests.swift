import NatsTransport
import Primitives
import Synchronization
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test("a connection knows its server")
    func server() throws {
        let server = try NatsServer()
        let connection = try server.connect()
        #expect(connection.isConnected)
        #expect(connection.maxPayloadBytes == 1_048_576)
        #expect(connection.serverVersion?.hasPrefix("2.") == true)
        #expect(connection.serverVersion == connection.serverVersion)
        try connection.requireServer(atLeast: (2, 10, 26))
        try connection.flush(timeout: patience)
    }

    @Test("a refused connection says what to check")
    func refused() throws {
        let port = freePort()
        let configuration = NatsConfiguration(
            urls: ["nats://127.0.0.1:\(port)"], clientName: "test")
        let events = EventLog()
        let error = try expectFailure(NatsError.unreachable) {
            try NatsConnection(configuration) { events.add($0) }
        }
        #expect(error.failure.peer == "127.0.0.1:\(port)")
        #expect("\(error)".contains("check that nats-server runs there"))
        #expect(error.isRetryable)
        #expect(events.all.isEmpty)
    }

    @Test("a host name that does not exist is unreachable")
    func unknownHost() throws {
        let configuration = NatsConfiguration(
            urls: ["nats://no-such-host.invalid:4222"], clientName: "test")
        try expectFailure(NatsError.unreachable) { try NatsConnection(configuration) { _ in } }
    }

    @Test("a wrong password is told apart, and never repeated")
    func wrongPassword() throws {
        var options = NatsServer.Options()
        options.users = [.init(name: "gateway", password: "right")]
        let server = try NatsServer(options)
        let good = try server.connect(user: "gateway", password: "right")
        #expect(good.isConnected)
        let error = try expectFailure(NatsError.authenticationFailed) {
            var configuration = NatsConfiguration(urls: [server.url], clientName: "test")
            configuration.user = "gateway"
            configuration.password = "hunter2"
            return try NatsConnection(configuration) { _ in }
        }
        #expect("\(error)".contains("check NATS_USER and NATS_PASSWORD"))
        #expect(!"\(error)".contains("hunter2"))
        #expect(!error.isRetryable)
    }

    @Test("user and password of a URL count and are not repeated")
    func passwordInURL() throws {
        var options = NatsServer.Options()
        options.users = [.init(name: "gateway", password: "right")]
        let server = try NatsServer(options)
        let good = NatsConfiguration(
            urls: ["nats://gateway:right@\(server.address)"], clientName: "test")
        #expect(try NatsConnection(good) { _ in }.serverVersion?.hasPrefix("2.") == true)
        let bad = NatsConfiguration(
            urls: ["nats://gateway:hunter2@\(server.address)"], clientName: "test")
        let error = try failure { try NatsConnection(bad) { _ in } }
        #expect(!"\(error)".contains("hunter2"))
    }

    @Test("closing is idempotent, reported once, and final")
    func close() throws {
        let server = try NatsServer()
        let events = EventLog()
        let connection = try server.connect(events)
        let subscription = try connection.subscribe("a", pendingMessagesMax: 10) { _ in }
        connection.close()
        connection.close()
        #expect(eventually { events.closedCount == 1 })
        #expect(!connection.isConnected)
        try expectFailure(NatsError.closed) { try connection.publish("x", to: "a") }
        try expectFailure(NatsError.closed) {
            try connection.request([], to: "a", timeout: .seconds(1))
        }
        try expectFailure(NatsError.closed) {
            try connection.subscribe("b", pendingMessagesMax: 1) { _ in }
        }
        try expectFailure(NatsError.closed) { try connection.flush(timeout: .seconds(1)) }
        subscription.unsubscribe()
        subscription.unsubscribe()
        #expect(events.all.count == 1, "\(events.all)")
    }

    @Test("the last reference closes, also from a callback")
    func released() throws {
        let server = try NatsServer()
        let events = EventLog()
        do {
            let connection = try server.connect(events)
            let held = Locked<NatsConnection?>(connection)
            let subscription = Locked<NatsSubscription?>(nil)
            // The callback holds the connection, and releases everything with its first message.
            let made = try connection.subscribe("a", pendingMessagesMax: 10) { _ in
                held.withLock { $0 = nil }
            }
            subscription.withLock { $0 = made }
            try connection.publish("x", to: "a")
            #expect(eventually { held.withLock { $0 == nil } })
        }
        #expect(eventually { events.closedCount == 1 })
    }

    @Test("a server that goes before it told its version is worth another try")
    func versionUnknown() throws {
        let server = try NatsServer()
        let proxy = try NatsProxy(to: server.port)
        let connection = try NatsConnection(
            NatsConfiguration(urls: [proxy.url], clientName: "test")
        ) { _ in }
        proxy.freeze(.toClient)
        let error = try failure { try connection.requireServer(atLeast: (2, 10, 26)) }
        #expect(error.isRetryable, "\(error)")
        proxy.thaw()
        #expect(eventually { (try? connection.requireServer(atLeast: (2, 10, 26))) != nil })
    }
}
