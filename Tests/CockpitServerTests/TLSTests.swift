import Foundation
import HTTPClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

@Suite("Pages that speak TLS", .enabled(if: Certificates.obstacle == nil)) struct TLSTests {
    private static func settings(
        _ certificates: Certificates, _ certificate: String, _ key: String
    ) -> [String: String] {
        [
            "COCKPIT_TLS_CERTIFICATE": certificates.certificate(certificate),
            "COCKPIT_TLS_KEY": certificates.key(key),
        ]
    }

    @Test("a client that trusts the certificate gets the pages, and one without TLS nothing")
    func pages() throws {
        let certificates = try Certificates()
        try certificates.make("pages", name: "127.0.0.1")
        let cockpit = try LoneCockpit(Self.settings(certificates, "pages", "pages"))
        var configuration = HTTPConfiguration()
        configuration.caPath = certificates.certificate("authority")
        let client = try HTTPClient(configuration) {}
        let url = try #require(HTTPURL("https://127.0.0.1:\(cockpit.port)/gaps", query: []))
        // Two on one connection, so that its end is not what sends the first.
        for _ in 0..<2 {
            let answer = try Self.outcome(client, url).get()
            #expect(answer.status == 200)
            #expect(String(decoding: answer.body, as: UTF8.self).contains("<h1>Gaps</h1>"))
        }
        configuration.caPath = certificates.certificate("otherAuthority")
        let foreign = try HTTPClient(configuration) {}
        #expect(throws: HTTPError.self) { try Self.outcome(foreign, url).get() }
        #expect(try !cockpit.get("/").contains("HTTP/1.1"))
        #expect(try Self.outcome(client, url).get().status == 200)
    }

    private static func outcome(
        _ client: HTTPClient, _ url: HTTPURL
    ) throws -> Result<HTTPResponse, HTTPError> {
        _ = try client.request(HTTPRequest(url))
        var found: [HTTPOutcome] = []
        let isThere = eventually {
            found += client.take()
            return !found.isEmpty
        }
        try #require(isThere)
        return found[0].result
    }

    @Test("a new certificate counts on the connections that come after it, a broken one never")
    func renewed() throws {
        let certificates = try Certificates()
        try certificates.make("pages", name: "127.0.0.1")
        try certificates.make("next", name: "127.0.0.1", by: "otherAuthority", days: 9)
        let folder = try TemporaryFolder()
        func put(_ certificate: String, _ key: String) throws -> [String: String] {
            func copy(_ path: String, _ name: String) throws -> String {
                try folder.write(String(contentsOfFile: path, encoding: .utf8), to: name)
            }
            return try [
                "COCKPIT_TLS_CERTIFICATE": copy(certificates.certificate(certificate), "crt"),
                "COCKPIT_TLS_KEY": copy(certificates.key(key), "key"),
            ]
        }
        let cockpit = try LoneCockpit(put("pages", "pages"))
        let url = try #require(HTTPURL("https://127.0.0.1:\(cockpit.port)/gaps", query: []))
        func isTrusted(by authority: String) throws -> Bool {
            var configuration = HTTPConfiguration()
            configuration.caPath = certificates.certificate(authority)
            // Each has a connection of its own.
            let client = try HTTPClient(configuration) {}
            guard case .success(let answer) = try Self.outcome(client, url) else { return false }
            return answer.status == 200
        }
        let log = cockpit.running.service.log
        func days() throws -> Double {
            let name = #"mds_certificate_expiry_seconds{file="COCKPIT_TLS_CERTIFICATE"}"#
            return try #require(cockpit.running.service.metric(name)) / 86_400
        }
        #expect(try isTrusted(by: "authority"))
        _ = try put("next", "pages")
        #expect(eventually { log.text.contains("service.certificate.kept") })
        #expect(try isTrusted(by: "authority"))
        #expect(try days() < 2.1)
        _ = try put("next", "next")
        #expect(try eventually { try isTrusted(by: "otherAuthority") })
        #expect(try !isTrusted(by: "authority"))
        #expect(try days() > 8.8)
    }

    @Test("what is no certificate with its key is refused before anything begins")
    func unusable() throws {
        let certificates = try Certificates()
        try certificates.make("pages", name: "127.0.0.1")
        func problems(_ certificate: String, _ key: String) -> [String] {
            TestService.problems(
                Main.description,
                Self.settings(certificates, certificate, key).merging([
                    "COCKPIT_ADDRESS": "0.0.0.0", "COCKPIT_TOKEN": "0123456789abcdef",
                ]) { $1 })
        }
        #expect(problems("pages", "pages") == [])
        let other = problems("pages", "authority")
        #expect(other.count == 1 && other[0].contains("cannot be used"), "\(other)")
        let swapped = TestService.problems(
            Main.description,
            [
                "COCKPIT_TLS_CERTIFICATE": certificates.key("pages"),
                "COCKPIT_TLS_KEY": certificates.certificate("pages"),
            ])
        #expect(swapped.count == 1 && swapped[0].contains("cannot be used"), "\(swapped)")
    }

    @Test("a host is strict only if the pages own its port")
    func strict() throws {
        let certificates = try Certificates()
        try certificates.make("pages", name: "127.0.0.1")
        let files = Self.settings(certificates, "pages", "pages")
        func isStrict(_ more: [String: String]) throws -> Bool {
            let service = try TestService(Main.description, files.merging(more) { $1 })
            let settings = try CockpitSettings(service.context.configuration)
            let feed = try EventFeed(instance: "a")
            let desks = Site.Desks(actions: ActionDesk(key: nil))
            let site = Site(settings.gate, service.context, Audience(feed), desks) {
                _, _, _ in nil
            }
            let request = WebRequest(method: "GET", path: "/", headers: ["host": "localhost"])
            guard case .whole(let answer) = site.answer(request) else { return false }
            return answer.headers.contains { $0.name == "Strict-Transport-Security" }
        }
        #expect(try isStrict(["COCKPIT_PORT": "443"]))
        #expect(try !isStrict([:]))
    }
}
