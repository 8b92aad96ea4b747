import NatsTransport
import Primitives
import TestSupport
import Testing

/// Certificates as a site has them: an authority, servers and clients that it signed.
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
    ) {
        let error = failure { () throws(NatsError) in try connect(server, tls) }
        guard case .tlsFailed = error, let error else {
            Issue.record("\(String(describing: error))", sourceLocation: location)
            return
        }
        let line = "\(error)"
        #expect(line.contains(reason), sourceLocation: location)
        #expect(line.contains("check the certificates"), sourceLocation: location)
        #expect(!line.contains { $0.isNewline } && !error.isRetryable, sourceLocation: location)
    }

    @Test("a server signed by the authority, under its own name, is believed")
    func believed() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "nats.test")
        let server = try server(certificates)
        let connection = try connect(server, certificates.trust())
        let reply = try connection.request([], to: "$JS.API.INFO", timeout: .seconds(5))
        #expect(reply.text.contains("account_info"))
    }

    @Test("another name, another authority, an expired certificate: refused, with the reason")
    func refused() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "nats.test")
        try certificates.make("stranger", name: "nats.test", by: "otherAuthority")
        try certificates.make("old", name: "nats.test", days: -1)
        let real = try server(certificates)
        expectRefused("hostname mismatch", real, certificates.trust(serverName: "other.test"))
        expectRefused(
            "unable to get local issuer certificate", try server(certificates, "stranger"),
            certificates.trust())
        expectRefused(
            "certificate has expired", try server(certificates, "old"), certificates.trust())
    }

    @Test("a server that asks for a certificate gets ours, and refuses none and a stranger's")
    func clientCertificate() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "nats.test")
        try certificates.make("client", name: "writer")
        try certificates.make("stranger", name: "writer", by: "otherAuthority")
        let server = try server(certificates, verifiesClients: true)
        let connection = try connect(server, certificates.trust(client: "client"))
        try connection.flush(timeout: .seconds(5))
        expectRefused(
            "demands a certificate of its clients, and there is none", server,
            certificates.trust())
        expectRefused("did not accept", server, certificates.trust(client: "stranger"))
        // A key that belongs to another certificate is found before anything is sent.
        var mixed = certificates.trust(client: "client")
        mixed.keyFile = certificates.key("server")
        expectRefused("key values mismatch", server, mixed)
    }
}

extension Certificates {
    /// What a client is told: whom it trusts, and who it is itself.
    fileprivate func trust(
        serverName: String = "nats.test", client: String? = nil
    ) -> NatsConfiguration.TLS {
        NatsConfiguration.TLS(
            caFile: certificate("authority"), serverName: serverName,
            certFile: client.map(certificate), keyFile: client.map(key))
    }
}
