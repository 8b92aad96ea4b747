import Foundation
import NatsTransport
import Primitives
import TestSupport
import Testing

@Suite struct TLSTests {
    /// A server that demands TLS, with a certificate for the name "nats.test".
    struct Fixture {
        let folder: TemporaryFolder
        let server: NatsServer

        init() throws {
            folder = try TemporaryFolder("tls")
            for name in ["trusted", "other"] { try Self.makeCertificate(name, in: folder) }
            var options = NatsServer.Options()
            options.extra = """
                tls { cert_file: "\(folder.file("trusted.crt"))"
                  key_file: "\(folder.file("trusted.key"))" }
                """
            server = try NatsServer(options)
        }

        /// Self-signed: it is its own authority.
        private static func makeCertificate(_ name: String, in folder: TemporaryFolder) throws {
            let openssl = try ServerProcess(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=nats.test",
                    "-addext", "subjectAltName=DNS:nats.test",
                    "-keyout", folder.file("\(name).key"), "-out", folder.file("\(name).crt"),
                ], logPath: folder.file("\(name).log"))
            #expect(openssl.waitUntilExit() == 0, "\(openssl.log)")
        }

        func connect(
            trusting name: String = "trusted.crt", serverName: String = "nats.test"
        ) throws(NatsError) -> NatsConnection {
            var configuration = NatsConfiguration(
                urls: ["tls://\(server.address)"], clientName: "test")
            configuration.tls = .init(caFile: folder.file(name), serverName: serverName)
            return try NatsConnection(configuration) { _ in }
        }
    }

    @Test("messages travel over TLS, and an idle link costs nothing")
    func works() throws {
        let fixture = try Fixture()
        let connection = try fixture.connect()
        let log = MessageLog()
        let subscription = try connection.subscribe("a", pendingMessagesMax: 1_000) { log.add($0) }
        let payload = [UInt8](repeating: 9, count: 100_000)
        for _ in 0..<50 {
            try payload.withRawSpan { span throws(NatsError) in
                try connection.publish(span, to: "a")
            }
        }
        #expect(eventually { log.count == 50 })
        #expect(log.all.allSatisfy { $0.payload == payload })
        #expect(connection.serverVersion?.hasPrefix("2.") == true)
        withExtendedLifetime(subscription) {}
    }

    @Test("a TLS link that takes no more bytes breaks after the deadline")
    func blockedWrite() throws {
        let fixture = try Fixture()
        let connection = try fixture.connect()
        fixture.server.pause()
        let payload = [UInt8](repeating: 5, count: 500_000)
        var last: NatsError?
        var sent = 0
        while last == nil, sent < 200 {
            last = failure { () throws(NatsError) in
                try payload.withRawSpan { span throws(NatsError) in
                    try connection.publish(span, to: "a")
                }
            }
            sent += 1
        }
        #expect(last?.isRetryable == true, "\(String(describing: last))")
        fixture.server.resume()
        #expect(eventually { connection.isConnected })
        #expect(
            eventually {
                failure { () throws(NatsError) in try connection.flush(timeout: .seconds(1)) }
                    == nil
            })
    }

    @Test("a certificate that is not trusted, or is another's, is refused")
    func refused() throws {
        let fixture = try Fixture()
        let attempts: [NatsError?] = [
            failure { () throws(NatsError) in try fixture.connect(trusting: "other.crt") },
            failure { () throws(NatsError) in try fixture.connect(serverName: "other.test") },
        ]
        for error in attempts {
            guard case .tlsFailed(let details) = error, let error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(details.operation == "connect")
            #expect("\(error)".contains("check the certificates"), "\(error)")
            #expect(!error.isRetryable)
        }
    }

    @Test("TLS is never left out silently")
    func noDowngrade() throws {
        let plain = try NatsServer()
        let folder = try TemporaryFolder("tls")
        let demanding = try Fixture()
        let withoutFile = NatsConfiguration(urls: ["tls://\(plain.address)"], clientName: "test")
        var missingFile = withoutFile
        missingFile.tls = .init(caFile: folder.file("absent.crt"), serverName: "nats.test")
        var toPlain = withoutFile
        toPlain.tls = .init(
            caFile: demanding.folder.file("trusted.crt"), serverName: "nats.test")
        let toDemanding = NatsConfiguration(urls: [demanding.server.url], clientName: "test")
        for configuration in [withoutFile, missingFile, toPlain, toDemanding] {
            let error = failure { () throws(NatsError) in
                try NatsConnection(configuration) { _ in }
            }
            #expect(error?.isRetryable == false, "\(String(describing: error))")
        }
    }
}
