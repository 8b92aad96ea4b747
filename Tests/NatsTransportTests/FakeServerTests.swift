import NatsTransport
import TestSupport
import Testing

@Suite struct FakeServerTests {
    private func connect(_ server: FakeServer) throws(NatsError) -> NatsConnection {
        try NatsConnection(
            NatsConfiguration(urls: ["nats://127.0.0.1:\(server.port)"], clientName: "test")
        ) { event in Issue.record("\(event)") }
    }

    @Test("a server without headers is refused in words")
    func noHeaders() throws {
        let server = try FakeServer(
            "INFO {\"server_id\":\"x\",\"version\":\"2.1.0\",\"max_payload\":1048576}\r\n")
        let error = try expectFailure(NatsError.unsupportedServer) { try connect(server) }
        #expect(error.failure.detail.contains("no message headers"))
        #expect("\(error)".contains("upgrade nats-server"))
    }

    @Test("a server that hides its version, or is too old, is refused where one is required")
    func version() throws {
        func server(_ member: String) throws -> FakeServer {
            try FakeServer("INFO {\"server_id\":\"x\",\(member)\"headers\":true}\r\n")
        }
        let old = try ["2.9.10", "1.20.30", "2.10.25", "2.10"].map {
            (try server("\"version\":\"\($0)\","), $0)
        }
        for (server, text) in old + [(try server(""), "")] {
            let connection = try NatsConnection(
                NatsConfiguration(urls: ["nats://127.0.0.1:\(server.port)"], clientName: "test")
            ) { _ in }
            #expect(connection.serverVersion == text)
            let error = try expectFailure(NatsError.unsupportedServer) {
                try connection.requireServer(atLeast: (2, 10, 26))
            }
            #expect(error.failure.detail.contains("2.10.26 or newer is needed"))
            connection.close()
        }
    }

    @Test(
        "a server that is new enough is taken",
        arguments: ["2.10.26", "2.11.0-RC.1", "3.0", "2.99.0"])
    func newEnough(version: String) throws {
        let server = try FakeServer(
            "INFO {\"server_id\":\"x\",\"version\":\"\(version)\",\"headers\":true}\r\n")
        let connection = try NatsConnection(
            NatsConfiguration(urls: ["nats://127.0.0.1:\(server.port)"], clientName: "test")
        ) { _ in }
        try connection.requireServer(atLeast: (2, 10, 26))
        connection.close()
    }

    @Test(
        "who is no NATS server is told apart from one",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n\r\n", "INFO {\r\n", "INFO \r\n", "\r\n", "INFO [1]\r\n",
            "INFO {\"headers\":7,\"version\":[]}\r\n", "-ERR 'no'\r\n",
        ])
    func notNATS(greeting: String) throws {
        let server = try FakeServer(greeting)
        #expect(throws: NatsError.self) { try connect(server) }
    }

    @Test("a server that hangs up in the middle of the first words may be tried again")
    func hangsUp() throws {
        let server = try FakeServer("INFO {\"headers\":true}\r\n", .hangsUp)
        for _ in 0..<20 {
            let error = try expectFailure(NatsError.unreachable) { try connect(server) }
            #expect(error.isRetryable)
        }
    }

    @Test("a server that says nothing times out")
    func silent() throws {
        let server = try FakeServer("", .staysSilent)
        let error = try expectFailure(NatsError.timedOut) { try connect(server) }
        #expect(error.isRetryable)
    }

    @Test("an event that comes after a connect that failed finds nobody, and harms nobody")
    func lateEvent() throws {
        // Lame duck mode in the greeting causes an event immediately. Then the connection fails.
        let server = try FakeServer("INFO {\"headers\":true,\"ldm\":true}\r\n", .refusesUser)
        for _ in 0..<50 {
            try expectFailure(NatsError.authenticationFailed) {
                try NatsConnection(
                    NatsConfiguration(urls: ["nats://127.0.0.1:\(server.port)"], clientName: "test")
                ) { event in if event != .lameDuck { Issue.record("\(event)") } }
            }
        }
    }

    @Test("while a host is tried again, calls fail at once instead of waiting for it")
    func reconnectingToSilence() throws {
        let (server, connection, events) = try NatsServer.connected()
        server.pause()
        #expect(eventually { events.disconnectedCount == 1 })
        // The paused host accepts and sends nothing. libnats waits for it while it holds its lock.
        for _ in 0..<1_000 {
            try expectFailure(NatsError.disconnected) { try connection.publish("x", to: "a") }
            #expect(!connection.isConnected)
        }
        server.resume()
        #expect(eventually { events.reconnectedCount == 1 })
        try connection.publish("x", to: "a")
    }
}
