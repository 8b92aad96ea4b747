import NatsTransport
import TestSupport
import Testing

/// A credentials file that changes while a connection lives.
@Suite struct CredentialTests {
    /// A server that knows users by their signatures, and the file of one.
    private struct Scene {
        let server: NatsServer
        let folder: TemporaryFolder
        let events = EventLog()

        init(_ account: String = SignedUsers.account) throws {
            var options = NatsServer.Options()
            // In operator mode streams want an account of the system.
            options.jetStream = false
            options.extra = SignedUsers.configuration(account)
            server = try NatsServer(options)
            folder = try TemporaryFolder("credentials")
            try put(SignedUsers.first)
        }

        func put(_ credentials: String) throws { try folder.write(credentials, to: "user.creds") }

        func connect() throws -> NatsConnection {
            var configuration = NatsConfiguration(urls: [server.url], clientName: "test")
            configuration.credentials = folder.file("user.creds")
            return try NatsConnection(configuration) { [events] in events.add($0) }
        }

        /// Lets the server know the second user alone.
        func revokeFirst() throws {
            try server.rewriteConfiguration(SignedUsers.account, SignedUsers.revoking)
        }

        var refusals: Int { events.count { if case .refused = $0 { true } else { false } } }
    }

    private func expectHeard(_ connection: NatsConnection) throws {
        let log = try MessageLog("a.>", on: connection)
        try connection.flush(timeout: patience)
        try connection.publish("heard", to: "a.b")
        #expect(eventually { log.all.last?.text == "heard" })
    }

    @Test("a user is let in by its signature, and not after it was revoked")
    func lets() throws {
        let open = try Scene()
        try expectHeard(try open.connect())
        let scene = try Scene(SignedUsers.revoking)
        do {
            _ = try scene.connect()
            Issue.record("a revoked user is let in")
        } catch let error as NatsError {
            guard case .authenticationFailed = error else { throw error }
            #expect("\(error)".contains("NATS_CREDS_FILE"), "\(error)")
        }
        try scene.put(SignedUsers.second)
        try expectHeard(try scene.connect())
        withExtendedLifetime((open, scene)) {}
    }

    @Test("while the file has a user that is refused it is tried again, until it has another one")
    func late() throws {
        let scene = try Scene()
        let connection = try scene.connect()
        try scene.revokeFirst()
        try scene.server.restart()
        #expect(eventually { scene.refusals == 1 }, "\(scene.events.all)")
        #expect(!connection.isConnected)
        try scene.put(SignedUsers.second)
        #expect(eventually { connection.isConnected }, "\(scene.events.all)")
        try expectHeard(connection)
        #expect(scene.events.closedCount == 0, "\(scene.events.all)")
    }

    @Test("a user that is revoked on a link goes on as the one that the file has by then")
    func revoked() throws {
        let scene = try Scene()
        let connection = try scene.connect()
        try scene.put(SignedUsers.second)
        try scene.revokeFirst()
        scene.server.reload()
        #expect(eventually { scene.events.reconnectedCount > 0 }, "\(scene.events.all)")
        #expect(eventually { connection.isConnected })
        try expectHeard(connection)
        #expect(scene.events.closedCount == 0, "\(scene.events.all)")
    }
}
