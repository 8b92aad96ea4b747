import PostgresClient
import ServiceRuntime
import TestSupport
import Testing

/// Certificates as in a real deployment. Both the server's name and the signing authority are
/// checked.
@Suite(.enabled(if: Certificates.obstacle == nil, Comment(rawValue: Certificates.obstacle ?? "")))
struct TLSTests {
    private func server(_ certificates: Certificates, _ name: String) throws -> PostgresServer {
        try PostgresServer(
            settings: ["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"],
            files: [
                "server.crt": certificates.certificate(name), "server.key": certificates.key(name),
            ])
    }

    private func connect(
        _ server: PostgresServer, root: String?, mode: PostgresConfiguration.SSLMode = .verifyFull
    ) throws(PostgresError) -> PostgresConnection {
        var configuration = server.configuration()
        configuration.hosts[0].name = "localhost"
        configuration.sslMode = mode
        configuration.rootCertificate = root
        return try PostgresConnection(configuration)
    }

    private func expectRefused(
        _ reason: String, _ server: PostgresServer, root: String?,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let error = sessionFailure { _ = try connect(server, root: root) }
        #expect(error?.caseName == "tlsFailed", "\(error as Any)", sourceLocation: location)
        let line = error.text
        #expect(line.contains(reason), "\(line)", sourceLocation: location)
        #expect(line.contains("check POSTGRES_SSLROOTCERT"), sourceLocation: location)
        #expect(!line.contains { $0.isNewline }, sourceLocation: location)
        #expect(!line.contains(PostgresServer.password), sourceLocation: location)
    }

    @Test("a server signed by the authority, under its own name, is believed; others are not")
    func verified() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "localhost")
        try certificates.make("renamed", name: "other.test")
        try certificates.make("old", name: "localhost", days: -1)
        let authority = certificates.certificate("authority")
        let real = try server(certificates, "server")
        let connection = try connect(real, root: authority)
        let encrypted = try connection.execute(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        #expect(encrypted.scalar == "t")
        expectRefused(
            "certificate verify failed", real, root: certificates.certificate("otherAuthority"))
        expectRefused("does not exist", real, root: certificates.certificate("nobody"))
        let renamed = try server(certificates, "renamed")
        expectRefused("does not match host name \"localhost\"", renamed, root: authority)
        // Encrypted but not verified, as the weaker mode means.
        #expect(try connect(renamed, root: nil, mode: .require).isUsable)
        expectRefused("certificate verify failed", try server(certificates, "old"), root: authority)
    }

    @Test("a session knows when the certificate of its server ends")
    func end() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "localhost", days: 9)
        let connection = try connect(
            try server(certificates, "server"), root: certificates.certificate("authority"))
        let end = try #require(CertificateFile(at: certificates.certificate("server"))).firstEnd
        #expect(connection.certificateEnd == end)
        connection.close()
        #expect(connection.certificateEnd == nil)
        let open = try connect(PostgresServer.shared(), root: nil, mode: .disable)
        #expect(open.isUsable && open.certificateEnd == nil)
    }

    @Test("a server without TLS is refused, never spoken to in the open")
    func plain() throws {
        let certificates = try Certificates()
        expectRefused(
            "SSL", try PostgresServer.shared(), root: certificates.certificate("authority"))
    }
}
