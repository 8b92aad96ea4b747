import Foundation
import Synchronization
import TestSupport
import Testing

@testable import HTTPClient

/// The client against PyPI's hypercorn and broken servers on loopback.
@Suite("Requests to a foreign server", .enabled(if: WebServer.obstacle == nil))
struct HTTPClientTests {
    @Test("an answer comes with its body and the wanted headers; ours arrive as they were given")
    func echo() throws {
        let url = try #require(
            HTTPURL(WebServer().url("echo").text, query: [("symbols", "[\"A B\"]"), ("n", "é&=")]))
        let client = try HTTPClient(HTTPConfiguration()) {}
        let request = HTTPRequest(
            url, headers: [HTTPHeader("x-mbx-apikey", "k3y", isSecret: true)],
            wantedHeaders: ["x-mbx-used-weight-1m", "X-Many", "x-none"])
        let response = try client.answer(request).get()
        #expect(response.status == 200 && response.retryAfter == nil)
        #expect(response.headers == ["x-mbx-used-weight-1m": "17", "x-many": "a, b"])
        let echo: WebServer.Echo = try response.decoded()
        #expect(echo.query == "symbols=%5B%22A%20B%22%5D&n=%C3%A9%26%3D")
        #expect(echo.headers["x-mbx-apikey"] == "k3y" && echo.version == "1.1")
        #expect(echo.headers["user-agent"] == "tapeline")
        #expect(echo.headers["cookie"] == nil && echo.headers["authorization"] == nil)
        #expect(echo.headers["accept-encoding"]?.contains("gzip") == true)
    }

    @Test("a request calls the client as the settings say, over a proxy too")
    func userAgent() throws {
        let server = try WebServer()
        var configuration = HTTPConfiguration()
        configuration.userAgent = "tapeline/9.9 (me@example.com)"
        for proxy in ["", server.peer("proxy_port")] {
            configuration.proxy = proxy
            let echo: WebServer.Echo = try server.ask("echo", configuration).get().decoded()
            #expect(echo.headers["user-agent"] == configuration.userAgent)
        }
    }

    @Test("a compressed body and one in chunks come whole")
    func bodies() throws {
        let server = try WebServer()
        let squeezed = try server.ask("gzip").get()
        #expect(squeezed.text == String(repeating: "squeezed ", count: 10_000))
        let chunked = try server.ask("chunked").get()
        #expect(chunked.text.hasPrefix("000102") && chunked.body.count == 200)
    }

    @Test("a body is sent whole, by POST and without asking first", arguments: [0, 3, 5_000_000])
    func post(count: Int) throws {
        struct Posted: Decodable {
            let method: String
            let bytes: Int
            let sum: Int
            let headers: [String]
        }
        let body = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let client = try HTTPClient(HTTPConfiguration()) {}
        let request = HTTPRequest(try WebServer().url("posted"), body: body)
        for _ in 0..<2 {
            let posted: Posted = try client.answer(request).get().decoded()
            #expect(posted.method == "POST" && posted.bytes == count)
            #expect(posted.sum == body.reduce(0) { $0 + Int($1) })
            #expect(Set(posted.headers).isDisjoint(with: ["expect", "content-type"]))
        }
    }

    @Test("requests one after the other use one connection")
    func reuse() throws {
        let client = try HTTPClient(HTTPConfiguration()) {}
        let request = HTTPRequest(try WebServer().url("echo"))
        let connections = try (0..<5).map { _ in
            try client.answer(request).get().decoded(WebServer.Echo.self).connection
        }
        #expect(Set(connections).count == 1)
    }

    @Test(
        "a refusal is an answer with its status and the time to wait",
        arguments: [
            ("429/7", 429, 7), ("429", 429, nil), ("418/120", 418, 120), ("500", 500, nil),
            ("503/0", 503, 0), ("429/in-60", 429, 0), ("429/soon", 429, nil),
            ("429/99999999999999999999999", 429, 604_800), ("429/-5", 429, nil),
            ("429/9223372036854775807", 429, 604_800), ("429/in99999999", 429, 604_800),
        ] as [(String, Int, Int?)])
    func refusals(path: String, status: Int, seconds: Int?) throws {
        let response = try WebServer().ask("status/\(path)").get()
        #expect(response.status == status && response.text == "{}")
        #expect(response.retryAfter == seconds.map { .seconds($0) })
    }

    @Test("a time to wait can be a date")
    func dates() throws {
        let wait = try #require(try WebServer().ask("status/429/in100").get().retryAfter)
        #expect(wait > .seconds(40) && wait <= .seconds(100))
    }

    @Test("a redirection is not followed")
    func redirected() throws {
        let response = try WebServer().ask("redirect").get()
        #expect(response.status == 302 && response.body.isEmpty)
    }

    @Test("a body above the limit is an error, also after decompression; one at the limit is not")
    func large() throws {
        var configuration = HTTPConfiguration()
        configuration.bodyBytesMax = 100_000
        let server = try WebServer()
        let error = HTTPError.bodyTooLarge(peer: server.peer(), bytesMax: 100_000)
        #expect(try server.ask("large/100000", configuration).get().body.count == 100_000)
        #expect(try server.ask("stream/100", configuration).get().body.count == 100_000)
        #expect(try server.ask("large/100001", configuration).error == error)
        #expect(try server.ask("stream/101", configuration).error == error)
        #expect(try server.ask("stream/20000", configuration).error == error)
        #expect(try server.ask("bomb/1", configuration).error == error)
        let most = HTTPConfiguration().bodyBytesMax
        #expect(try server.ask("bomb/8").get().body.count == most)
        #expect(
            try server.ask("bomb/64").error
                == .bodyTooLarge(peer: server.peer(), bytesMax: most))
        for path in ["huge-length", "bad-length"] {
            let raw = try server.ask(path, port: "raw_port").error
            #expect(raw == .bodyTooLarge(peer: server.peer("raw_port"), bytesMax: most))
        }
    }

    @Test(
        "what is no whole answer is an error in one line that names the server",
        arguments: [
            "truncated", "truncated-chunks", "bad-gzip", "garbage", "nothing",
        ])
    func broken(path: String) throws {
        let server = try WebServer()
        let error = try server.ask("\(path)?key=s3cret", port: "raw_port").error
        guard case .lost(let peer, let code) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(peer == server.peer("raw_port") && code.rawValue != 0)
        let line = error.map { "\($0)" } ?? ""
        #expect(line.contains(peer) && !line.contains("\n") && !line.contains("s3cret"))
    }

    @Test("headers without end, and answers before the answer, are bounded")
    func headers() throws {
        let server = try WebServer()
        for path in ["headers", "interim"] {
            let error = try server.ask(path, port: "raw_port").error
            #expect(
                error == .headersTooLarge(peer: server.peer("raw_port"), bytesMax: 65_536),
                "\(path)")
        }
    }

    @Test("wanted headers are those of the answer itself, with whatever text")
    func wanted() throws {
        let server = try WebServer()
        let early = try server.ask("early", port: "raw_port", wanted: ["x-wanted"]).get()
        #expect(early.headers == ["x-wanted": "late"] && early.text == "ok")
        let odd = try server.ask("odd-text", port: "raw_port", wanted: ["x-wanted"]).get()
        #expect(odd.headers["x-wanted"] == "\u{fffd}\u{fffd}\u{1b}[1m")
        #expect(odd.description == "status 200, 0 bytes")
    }

    @Test("a server that says nothing, and one that is slow, do not hold a request for ever")
    func slow() throws {
        let server = try WebServer()
        var configuration = HTTPConfiguration()
        configuration.requestTimeout = .milliseconds(300)
        for path in ["silent", "drip"] {
            let error = try server.ask(path, port: "raw_port", configuration).error
            #expect(error == .timedOut(peer: server.peer("raw_port")))
        }
        configuration.requestTimeout = .seconds(3_600)
        configuration.slowTimeout = .seconds(1)
        for path in ["silent", "drip"] {
            let error = try server.ask(path, port: "raw_port", configuration).error
            #expect(error == .timedOut(peer: server.peer("raw_port")))
        }
    }

    @Test("a server that takes the connection and agrees on no TLS is given up")
    func noTLS() throws {
        var configuration = HTTPConfiguration()
        configuration.connectTimeout = .milliseconds(300)
        let peer = try WebServer().peer("silent_port")
        let client = try HTTPClient(configuration) {}
        let request = HTTPRequest(try #require(HTTPURL("https://\(peer)/")))
        #expect(try client.answer(request).error == .timedOut(peer: peer))
    }

    @Test("nobody there, and a name that nobody has, are errors with the server's name")
    func nobody() throws {
        let client = try HTTPClient(HTTPConfiguration()) {}
        for peer in ["127.0.0.1:\(freePort())", "exchange.invalid:80"] {
            let request = HTTPRequest(try #require(HTTPURL("http://\(peer)/?key=s3cret")))
            guard case .failure(let error) = try client.answer(request),
                case .connect(peer, _) = error
            else {
                Issue.record("\(peer)")
                continue
            }
            #expect(error.isRetryable && !"\(error)".contains("s3cret"))
        }
    }

    @Test("a proxy is asked to connect, and one that does not is an error")
    func proxy() throws {
        let server = try WebServer()
        // Only the proxy knows this name.
        let url = try #require(HTTPURL("http://exchange.invalid:\(server.server.port())/echo"))
        var configuration = HTTPConfiguration()
        configuration.proxy = server.peer("proxy_port")
        let client = try HTTPClient(configuration) {}
        #expect(try client.answer(HTTPRequest(url)).get().status == 200)
        for proxy in [server.peer("refusing_proxy_port"), "127.0.0.1:\(freePort())"] {
            configuration.proxy = proxy
            let other = try HTTPClient(configuration) {}
            guard case .connect(let peer, _) = try other.answer(HTTPRequest(url)).error else {
                Issue.record("\(proxy)")
                continue
            }
            #expect(peer == "\(url.peer) by the proxy \(proxy)")
        }
    }

    @Test("the proxy of the environment is not used")
    func trapsNothingOfTheEnvironment() async {
        await #expect(processExitsWith: .success) {
            for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
                unsafe setenv(name, "http://127.0.0.1:1", 1)
            }
            // Behind such a proxy, the request would fail at once and another way.
            let listener = try SilentListener()
            var configuration = HTTPConfiguration()
            configuration.requestTimeout = .milliseconds(300)
            let client = try HTTPClient(configuration) {}
            let peer = "127.0.0.1:\(listener.port)"
            let error = try client.answer(HTTPRequest(#require(HTTPURL("http://\(peer)/")))).error
            #expect(error == .timedOut(peer: peer))
        }
    }
}
