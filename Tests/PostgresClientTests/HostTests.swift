import PostgresClient
import TestSupport
import Testing

@Suite("Several hosts", .serialized)
struct HostTests {
    @Test(
        "a list of hosts is read",
        arguments: [
            ("db", ["db:5432"]), ("a,b", ["a:5432", "b:5432"]),
            ("a , b:6000", ["a:5432", "b:6000"]),
            ("/run/postgresql", ["/run/postgresql:5432"]), ("::1", ["[::1]:5432"]),
            ("[::1]:7,10.0.0.1:8", ["[::1]:7", "10.0.0.1:8"]), ("[fe80::2]", ["[fe80::2]:5432"]),
        ])
    func list(text: String, hosts: [String]) throws {
        #expect(try PostgresHost.list(text, port: 5_432).map(\.description) == hosts)
    }

    @Test(
        "a list that is none is refused with the word that is wrong",
        arguments: [
            ("", "''"), ("a,,b", "''"), ("a:", "'a:'"), ("a:0", "'a:0'"), ("a:65536", "'a:65536'"),
            (":5432", "':5432'"), ("[::1", "'[::1'"), ("[]:1", "'[]:1'"), ("[::1]5", "'[::1]5'"),
            ("a,b,a", "a:5432 twice"), ("1,2,3,4,5,6,7,8,9", "9 hosts, and 8 are the most"),
        ])
    func refused(text: String, part: String) {
        let error = #expect(throws: PostgresHost.Refusal.self) {
            try PostgresHost.list(text, port: 5_432)
        }
        #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }

    private func configuration(_ ports: [UInt16]) -> PostgresConfiguration {
        PostgresConfiguration(
            hosts: ports.map { PostgresHost("127.0.0.1", port: $0) }, database: "postgres",
            user: PostgresServer.user, password: PostgresServer.password)
    }

    @Test("a server that refuses or does not answer leaves the time to the next one")
    func next() throws {
        let server = try PostgresServer.shared()
        let silent = try SilentListener()
        let connection = try PostgresConnection(
            configuration([freePort(), silent.port, server.port]), timeout: .seconds(4))
        #expect(connection.peer.hasPrefix("127.0.0.1:\(server.port)/"))
    }

    @Test("when no server can be used, each is named, and what a person can mend decides")
    func none() throws {
        let server = try PostgresServer.shared()
        var wrong = configuration([freePort(), server.port])
        wrong.password = "wrong-and-secret"
        let error = sessionFailure { _ = try PostgresConnection(wrong) }
        #expect(error?.category == .authentication)
        let text = error.text
        for host in wrong.hosts { #expect(text.contains(" \(host)/"), "\(text)") }
        #expect(!text.contains("secret"))
        let away = sessionFailure {
            _ = try PostgresConnection(configuration([freePort(), freePort()]))
        }
        #expect(away?.category == .retryable)
    }

    @Test("a server that the caller refuses is left for the next one")
    func accept() throws {
        let server = try PostgresServer.shared()
        var asked: [String] = []
        var twice = configuration([server.port])
        twice.hosts.append(PostgresHost("localhost", port: server.port))
        let connection = try PostgresConnection(
            twice, timeout: patience,
            accept: { session throws(PostgresError) in
                asked.append(session.peer)
                if asked.count == 1 { throw .refused(peer: session.peer, reason: "not this one") }
            })
        #expect(asked.count == 2 && connection.peer == asked[1])
        #expect(connection.peer.hasPrefix("localhost:"))
    }

    @Test("a standby is passed over, and its promotion begins a timeline that the newest one has")
    func promotion() throws {
        let primary = try PostgresServer()
        let standby = try PostgresServer(standbyOf: primary)
        let hosts = configuration([standby.port, primary.port])
        let before = try PostgresConnection(hosts)
        #expect(before.peer.hasPrefix("127.0.0.1:\(primary.port)/"))
        let old = try #require(try before.identity(timeout: patience))
        #expect(old.timeline == 1 && old.system > 0)
        try standby.promote()
        // Now both accept writes.
        for order in [[standby.port, primary.port], [primary.port, standby.port]] {
            let newest = try PostgresConnection.newest(of: configuration(order), timeout: patience)
            #expect(newest.peer.hasPrefix("127.0.0.1:\(standby.port)/"))
            let found = try newest.identity(timeout: patience)
            #expect(found == ServerIdentity(system: old.system, timeline: 2))
        }
    }
}
