import Foundation
import NatsTransport
import Primitives
import TestSupport
import Testing

/// Certificates as in a real deployment: an authority, and servers and clients whose certificates
/// it signed.
@Suite(.enabled(if: Certificates.obstacle == nil, Comment(rawValue: Certificates.obstacle ?? "")))
struct TLSCertificateTests {
    private func server(
        _ certificates: Certificates, _ name: String = "server", verifiesClients: Bool = false
    ) throws -> NatsServer {
        var options = NatsServer.Options()
        options.extra = """
            tls {
              cert_file: "\(certificates.certificate(name))"
              key_file: "\(certificates.key(name))"
              ca_file: "\(certificates.certificate("authority"))"
              verify: \(verifiesClients)
            }
            """
        return try NatsServer(options)
    }

    /// Returns an authority, and a server that it certifies as "nats.test".
    private func certified(
        verifiesClients: Bool = false
    ) throws -> (Certificates, NatsServer) {
        let certificates = try Certificates()
        try certificates.make("server", name: "nats.test")
        return (certificates, try server(certificates, verifiesClients: verifiesClients))
    }

    private func connect(
        _ server: NatsServer, _ tls: NatsConfiguration.TLS
    ) throws(NatsError) -> NatsConnection {
        var configuration = NatsConfiguration(
            urls: ["tls://\(server.address)"], clientName: "test")
        configuration.tls = tls
        return try NatsConnection(configuration) { _ in }
    }

    private func expectRefused(
        _ reason: String, _ server: NatsServer, _ tls: NatsConfiguration.TLS,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let error = try expectFailure(NatsError.tlsFailed, nil, location) {
            try connect(server, tls)
        }
        let line = "\(error)"
        #expect(line.contains(reason), sourceLocation: location)
        #expect(line.contains("check the certificates"), sourceLocation: location)
        #expect(!line.contains { $0.isNewline } && !error.isRetryable, sourceLocation: location)
    }

    @Test("a server signed by the authority, under its own name, is believed")
    func believed() throws {
        let (certificates, server) = try certified()
        let connection = try connect(server, certificates.trust())
        let reply = try connection.request([], to: "$JS.API.INFO", timeout: patience)
        #expect(reply.text.contains("account_info"))
    }

    @Test("messages travel over TLS, and an idle link costs nothing")
    func works() throws {
        let (certificates, server) = try certified()
        defer { withExtendedLifetime(server) {} }
        let connection = try connect(server, certificates.trust())
        let log = try MessageLog("a", on: connection)
        let payload = [UInt8](repeating: 9, count: 100_000)
        for _ in 0..<50 { try connection.publish(payload, to: "a") }
        #expect(eventually { log.count == 50 })
        #expect(log.all.allSatisfy { $0.payload == payload })
        #expect(connection.serverVersion?.hasPrefix("2.") == true)
    }

    @Test("a TLS link that takes no more bytes breaks after the deadline")
    func blockedWrite() throws {
        let (certificates, server) = try certified()
        let connection = try connect(server, certificates.trust())
        server.pause()
        let payload = [UInt8](repeating: 5, count: 500_000)
        let error = try failure { try connection.fill(with: payload) }
        #expect(error.isRetryable, "\(error)")
        server.resume()
        #expect(eventually { connection.isConnected })
        #expect(eventually { (try? connection.flush(timeout: .seconds(1))) != nil })
    }

    @Test("TLS is never left out silently")
    func noDowngrade() throws {
        let (certificates, demanding) = try certified()
        let plain = try NatsServer()
        let withoutFile = NatsConfiguration(urls: ["tls://\(plain.address)"], clientName: "test")
        var missingFile = withoutFile
        missingFile.tls = .init(caFile: certificates.certificate("absent"), serverName: "nats.test")
        var toPlain = withoutFile
        toPlain.tls = certificates.trust()
        let toDemanding = NatsConfiguration(urls: [demanding.url], clientName: "test")
        for configuration in [withoutFile, missingFile, toPlain, toDemanding] {
            let error = try failure { try NatsConnection(configuration) { _ in } }
            #expect(!error.isRetryable, "\(error)")
        }
    }

    private func connect(
        _ urls: [String], _ certificates: Certificates, _ events: EventLog = EventLog()
    ) throws(NatsError) -> NatsConnection {
        var configuration = NatsConfiguration(urls: urls, clientName: "test")
        configuration.tls = certificates.trust(serverName: nil)
        return try NatsConnection(configuration) { events.add($0) }
    }

    @Test("each server of a list is known by the name in its own URL")
    func names() throws {
        let certificates = try Certificates()
        try certificates.make("named", name: "localhost")
        try certificates.make("addressed", name: "127.0.0.1")
        let named = try server(certificates, "named")
        let addressed = try server(certificates, "addressed")
        let right = ["tls://localhost:\(named.port)", "tls://127.0.0.1:\(addressed.port)"]
        for urls in [[right[0]], [right[1]], right] {
            try connect(urls, certificates).flush(timeout: patience)
        }
        for url in ["tls://127.0.0.1:\(named.port)", "tls://localhost:\(addressed.port)"] {
            try expectFailure(NatsError.tlsFailed, "\(url)") { try connect([url], certificates) }
        }
        // The server that is up takes over from the other, under its own name.
        addressed.stop()
        let events = EventLog()
        let connection = try connect(right, certificates, events)
        let first = connection.serverID
        try addressed.start()
        named.stop()
        #expect(eventually { events.reconnectedCount == 1 })
        #expect(connection.serverID != first)
    }

    @Test("a server that comes back with another certificate is told of once, and tried for ever")
    func changedCertificate() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "localhost")
        try certificates.make("stranger", name: "localhost", by: "otherAuthority")
        let server = try server(certificates)
        let events = EventLog()
        let connection = try connect(["tls://localhost:\(server.port)"], certificates, events)
        func refusals() -> [String] {
            events.all.compactMap { if case .refused(let text) = $0 { text } else { nil } }
        }
        server.stop()
        try server.rewriteConfiguration("/server.", "/stranger.")
        try server.start()
        #expect(
            eventually {
                server.log.split(separator: "\n").count { $0.contains("TLS handshake error") } >= 3
            }, "\(server.log)")
        #expect(refusals().count == 1 && !connection.isConnected)
        let line = refusals().first ?? ""
        #expect(line.contains("unable to get local issuer certificate"), "\(line)")
        #expect(line.contains("check the certificates"), "\(line)")
        server.stop()
        try server.rewriteConfiguration("/stranger.", "/server.")
        try server.start()
        #expect(eventually { events.reconnectedCount == 1 })
        try connection.flush(timeout: patience)
    }

    @Test("new files count when the link is made again, with all subscriptions")
    func newFiles() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "localhost")
        try certificates.make("stranger", name: "localhost", by: "otherAuthority")
        try certificates.make("client", name: "writer")
        try certificates.make("other", name: "writer", by: "otherAuthority")
        let folder = try TemporaryFolder()
        func put(_ authority: String, _ client: String) throws -> NatsConfiguration.TLS {
            func copy(_ path: String, _ name: String) throws -> String {
                try folder.write(String(contentsOfFile: path, encoding: .utf8), to: name)
            }
            return try NatsConfiguration.TLS(
                caFile: copy(certificates.certificate(authority), "ca"), serverName: nil,
                certFile: copy(certificates.certificate(client), "crt"),
                keyFile: copy(certificates.key(client), "key"))
        }
        let server = try server(certificates, verifiesClients: true)
        let events = EventLog()
        var configuration = NatsConfiguration(
            urls: ["tls://localhost:\(server.port)"], clientName: "test")
        configuration.tls = try put("authority", "client")
        let connection = try NatsConnection(configuration) { events.add($0) }
        let log = try MessageLog("a", on: connection)
        func change(_ old: String, _ new: String) throws {
            server.stop()
            try server.rewriteConfiguration(old, new)
            try server.start()
        }
        // The server has a certificate that another authority signed.
        try change("/server.", "/stranger.")
        #expect(eventually { events.count { if case .refused = $0 { true } else { false } } > 0 })
        #expect(!connection.isConnected)
        _ = try put("otherAuthority", "client")
        #expect(eventually { connection.isConnected }, "\(events.all)")
        // It takes only clients that this other one signed, too.
        try change("/authority.", "/otherAuthority.")
        #expect(eventually { server.log.contains("verify") || server.log.contains("handshake") })
        _ = try put("otherAuthority", "other")
        #expect(eventually { connection.isConnected }, "\(events.all)")
        try connection.publish("x", to: "a")
        #expect(eventually { log.count == 1 })
        #expect(events.closedCount == 0 && events.reconnectedCount >= 2, "\(events.all)")
    }

    @Test("files that TLS cannot use are named before anything is sent")
    func files() throws {
        let certificates = try Certificates()
        try certificates.make("client", name: "writer")
        try certificates.make("other", name: "writer")
        func problem(
            _ authorities: String, _ certificate: String? = nil, _ key: String? = nil
        ) -> NatsConfiguration.FileProblem? {
            var configuration = NatsConfiguration(urls: ["tls://nowhere.test"], clientName: "test")
            configuration.tls = NatsConfiguration.TLS(
                caFile: authorities, serverName: nil, certFile: certificate, keyFile: key)
            do throws(NatsConfiguration.FileProblem) {
                try configuration.checkFiles()
                return nil
            } catch {
                return error
            }
        }
        let authority = certificates.certificate("authority")
        let (certificate, key) = (certificates.certificate("client"), certificates.key("client"))
        #expect(problem(authority) == nil && problem(authority, certificate, key) == nil)
        let absent = certificates.certificate("absent")
        #expect(
            problem(absent)
                == .authorities("\(absent) cannot be read: No such file or directory"))
        // A key is not a certificate.
        guard case .authorities(let words) = problem(key), !words.isEmpty else {
            Issue.record("a key was taken for certificates")
            return
        }
        for (one, other) in [(certificate, certificates.key("other")), (key, key)] {
            guard case .certificate(let words) = problem(authority, one, other), !words.isEmpty
            else {
                Issue.record("\(one) and \(other) were taken")
                continue
            }
        }
    }

    @Test("another name, another authority, an expired certificate: refused, with the reason")
    func refused() throws {
        let (certificates, real) = try certified()
        try certificates.make("stranger", name: "nats.test", by: "otherAuthority")
        try certificates.make("old", name: "nats.test", days: -1)
        try expectRefused("hostname mismatch", real, certificates.trust(serverName: "other.test"))
        let error = try failure { try connect(real, certificates.trust(serverName: "other.test")) }
        #expect(error.failure.operation == "connect")
        try expectRefused(
            "unable to get local issuer certificate", try server(certificates, "stranger"),
            certificates.trust())
        try expectRefused(
            "certificate has expired", try server(certificates, "old"), certificates.trust())
    }

    @Test("a server that asks for a certificate gets ours, and refuses none and a stranger's")
    func clientCertificate() throws {
        let (certificates, server) = try certified(verifiesClients: true)
        try certificates.make("client", name: "writer")
        try certificates.make("stranger", name: "writer", by: "otherAuthority")
        let connection = try connect(server, certificates.trust(client: "client"))
        try connection.flush(timeout: patience)
        try expectRefused(
            "demands a certificate of its clients, and there is none", server,
            certificates.trust())
        try expectRefused("did not accept", server, certificates.trust(client: "stranger"))
        // A key of another certificate is noticed before anything is sent.
        var mixed = certificates.trust(client: "client")
        mixed.keyFile = certificates.key("server")
        try expectRefused("key values mismatch", server, mixed)
    }
}

extension Certificates {
    /// A client's settings: the authorities it trusts, and its own certificate.
    fileprivate func trust(
        serverName: String? = "nats.test", client: String? = nil
    ) -> NatsConfiguration.TLS {
        NatsConfiguration.TLS(
            caFile: certificate("authority"), serverName: serverName,
            certFile: client.map(certificate), keyFile: client.map(key))
    }
}
