import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

@testable import ServiceRuntime

/// When certificates end.
@Suite(.enabled(if: Certificates.obstacle == nil, Comment(rawValue: Certificates.obstacle ?? "")))
struct CertificateFileTests {
    private static let day = 86_400.0

    private static let description = ServiceDescription(
        name: "test", version: "1", summary: "A test.",
        keys: [
            ConfigurationKey("NATS_TLS_CA", .text, "Authorities."),
            ConfigurationKey("NATS_TLS_CERTIFICATE", .text, "A certificate."),
            ConfigurationKey("NATS_TLS_KEY", .text, "Its key."),
            ConfigurationKey("POSTGRES_SSLROOTCERT", .text, "Authorities."),
        ])

    private func configuration(_ environment: [String: String]) throws -> Configuration {
        let line = ServiceCommandLine(Self.description).decide(
            arguments: [], environment: environment)
        guard case .run(let configuration) = line else {
            throw ServiceError.badAddress("\(line)")
        }
        return configuration
    }

    /// Returns the days that the page has for a key. `nil`: it has none.
    private func days(_ key: String, _ registry: MetricRegistry) -> Double? {
        let name = "mds_certificate_expiry_seconds{file=\"\(key)\"} "
        return String(decoding: registry.render(), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix(name) }.flatMap { Double($0.dropFirst(name.count)) }
            .map { $0 / Self.day }
    }

    @Test("of a chain the first end counts, of authorities the last; the key beside them is none")
    func ends() throws {
        let certificates = try Certificates()
        try certificates.make("long", name: "a", days: 9)
        try certificates.make("short", name: "b", days: 3)
        func read(_ path: String) throws -> [UInt8] {
            [UInt8](try #require(FileManager.default.contents(atPath: path)))
        }
        let long = try read(certificates.certificate("long"))
        let short = try read(certificates.certificate("short"))
        let key = try read(certificates.key("short"))
        for order in [key + long + short, short + key + long] {
            let file = try #require(CertificateFile(order))
            #expect(Double(file.lastEnd - file.firstEnd) / Self.day > 5.9)
            #expect(CertificateFile(short)?.lastEnd == file.firstEnd)
        }
        #expect(CertificateFile(key) == nil && CertificateFile([]) == nil)
        #expect(CertificateFile(Array("-----BEGIN CERTIFICATE-----\nx\n".utf8)) == nil)
    }

    @Test("each scrape reads the files again, and one that is gone has no time")
    func metrics() throws {
        let certificates = try Certificates()
        try certificates.make("own", name: "a", days: 9)
        try certificates.make("next", name: "a", days: 20)
        let own = certificates.certificate("own")
        let registry = MetricRegistry()
        registry.addCertificates(
            of: try configuration([
                "NATS_TLS_CA": certificates.certificate("authority"), "NATS_TLS_CERTIFICATE": own,
                "NATS_TLS_KEY": certificates.key("own"),
            ]))
        #expect((1.9...2.0).contains(try #require(days("NATS_TLS_CA", registry))))
        #expect((8.9...9.0).contains(try #require(days("NATS_TLS_CERTIFICATE", registry))))
        #expect(days("NATS_TLS_KEY", registry) == nil)
        #expect(days("POSTGRES_SSLROOTCERT", registry) == nil)
        try FileManager.default.removeItem(atPath: own)
        #expect(days("NATS_TLS_CERTIFICATE", registry) == nil)
        try FileManager.default.copyItem(atPath: certificates.certificate("next"), toPath: own)
        #expect((19.9...20.0).contains(try #require(days("NATS_TLS_CERTIFICATE", registry))))
    }

    @Test("a new certificate is offered until it is used, and what failed is said once")
    func following() throws {
        let certificates = try Certificates()
        try certificates.make("own", name: "a", days: 9)
        try certificates.make("next", name: "a", days: 20)
        let folder = try TemporaryFolder()
        func put(_ certificate: String, _ key: String) throws -> [String] {
            try [
                (certificates.certificate(certificate), "crt"), (certificates.key(key), "key"),
            ].map { try folder.write(String(contentsOfFile: $0, encoding: .utf8), to: $1) }
        }
        let paths = try put("own", "own")
        let contents = try paths.map { Array(try String(contentsOfFile: $0, encoding: .utf8).utf8) }
        let own = try #require(WebCertificate(certificate: contents[0], key: contents[1]))
        let said = Mutex(0)
        let followed = own.following(paths[0], key: paths[1]) { said.withLock { $0 += 1 } }
        let successor = try #require(followed.successor)
        /// Returns the ends of what is offered.
        func look(isUsed: Bool) -> [Int64?] {
            var offered: [Int64?] = []
            successor {
                offered.append($0.end)
                return isUsed
            }
            return offered
        }
        #expect(look(isUsed: true).isEmpty)
        _ = try put("next", "own")
        #expect(look(isUsed: true).isEmpty && look(isUsed: true).isEmpty)
        #expect(said.withLock { $0 } == 1)
        _ = try put("next", "next")
        let end = try #require(CertificateFile(at: certificates.certificate("next"))?.firstEnd)
        #expect(look(isUsed: false) == [end] && look(isUsed: false) == [end])
        #expect(said.withLock { $0 } == 2)
        #expect(look(isUsed: true) == [end] && look(isUsed: true).isEmpty)
        _ = try put("own", "own")
        #expect(look(isUsed: true) == [own.end])
        #expect(said.withLock { $0 } == 2)
    }
}
