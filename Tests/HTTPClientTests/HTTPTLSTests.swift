import CCurl
import TestSupport
import Testing

@testable import HTTPClient

/// The client against the foreign server over TLS.
@Suite(
    "Requests over TLS",
    .enabled(if: WebServer.obstacle == nil && Certificates.obstacle == nil))
struct HTTPTLSTests {
    @Test("a server is checked: by the file of certificates, by its name, and by the time")
    func checks() throws {
        let certificates = try Certificates()
        try certificates.make("right", name: "127.0.0.1")
        try certificates.make("wrong", name: "example.org")
        try certificates.make("old", name: "127.0.0.1", days: -1)
        let cases: [(file: String, authority: String, reason: String?)] = [
            ("right", "authority", nil),
            ("right", "otherAuthority", "unable to get local issuer certificate"),
            ("wrong", "authority", "it is for another name"),
            ("old", "authority", "certificate has expired"),
            ("right", "", "unable to get local issuer certificate"),
        ]
        for (file, authority, reason) in cases {
            let server = try WebServer(certificates, file)
            var configuration = HTTPConfiguration()
            configuration.caPath = authority.isEmpty ? "" : certificates.certificate(authority)
            let result = try server.ask("echo", configuration)
            let expected = reason.map { HTTPError.untrusted(peer: server.peer(), reason: $0) }
            #expect(result.error == expected, "\(file) \(authority)")
        }
        // In place of the system's.
        let server = try WebServer(certificates, "right")
        var configuration = HTTPConfiguration()
        configuration.authorities = certificates.certificate("authority")
        #expect(try server.ask("echo", configuration).error == nil)
    }

    @Test("over TLS it is HTTP/2, and requests at the same time share a connection that is there")
    func multiplexed() throws {
        let certificates = try Certificates()
        try certificates.make("right", name: "127.0.0.1")
        let server = try WebServer(certificates, "right")
        var configuration = HTTPConfiguration()
        configuration.caPath = certificates.certificate("authority")
        let client = try HTTPClient(configuration) {}
        let request = HTTPRequest(
            try server.url("echo"), wantedHeaders: ["x-mbx-used-weight-1m"])
        let first = try client.answer(request).get()
        #expect(first.headers == ["x-mbx-used-weight-1m": "17"])
        let echo: WebServer.Echo = try first.decoded()
        #expect(echo.version == "2")
        for _ in 0..<20 { _ = try client.request(request) }
        let outcomes = client.outcomes(20)
        let connections = try outcomes.map {
            try $0.result.get().decoded(WebServer.Echo.self).connection
        }
        #expect(connections.count == 20 && Set(connections) == [echo.connection])
        let busy = try client.answer(HTTPRequest(server.url("status/429/9"))).get()
        #expect(busy.status == 429 && busy.retryAfter == .seconds(9))
    }

    @Test("a file of certificates adds to those of the system")
    func additional() throws {
        let certificates = try Certificates()
        let system = certificates.certificate("otherAuthority")
        #expect(certificateCount(system, adding: certificates.certificate("authority")) == 2)
        #expect(certificateCount(system, adding: system) == 1)
        #expect(certificateCount(system, adding: "/nonexistent/file") == nil)
    }

    /// Returns how many certificates a connection knows that had a file and gets another one from
    /// us; `nil`: the connection is given up.
    private func certificateCount(_ file: String, adding other: String) -> Int32? {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { return nil }
        defer { unsafe SSL_CTX_free(context) }
        guard unsafe SSL_CTX_load_verify_locations(context, file, nil) == 1 else { return nil }
        var path = Array(other.utf8CString)
        let code = unsafe shim_add_certificates(nil, UnsafeMutableRawPointer(context), &path)
        guard code == CURLE_OK else { return nil }
        let store = unsafe SSL_CTX_get_cert_store(context)
        return unsafe OPENSSL_sk_num(X509_STORE_get0_objects(store))
    }

    @Test("over a proxy the server is checked by its own name")
    func proxied() throws {
        let certificates = try Certificates()
        try certificates.make("named", name: "exchange.invalid")
        let server = try WebServer(certificates, "named")
        var configuration = HTTPConfiguration()
        configuration.caPath = certificates.certificate("authority")
        configuration.proxy = server.peer("proxy_port")
        let client = try HTTPClient(configuration) {}
        for (host, isRight) in [("exchange.invalid", true), ("other.invalid", false)] {
            let url = try #require(HTTPURL("https://\(host):\(server.server.port())/echo"))
            let result = try client.answer(HTTPRequest(url))
            #expect((result.error == nil) == isRight)
            guard !isRight else { continue }
            guard case .untrusted(_, "it is for another name") = result.error else {
                Issue.record("\(result)")
                continue
            }
        }
    }
}
