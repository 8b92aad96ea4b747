import Testing

@testable import HTTPClient

/// Requests and errors as values.
@Suite struct HTTPRequestTests {
    @Test(
        "addresses are read, and what is none is refused",
        arguments: [
            ("https://a.test", "a.test:443"), ("http://a:81/x?y=1@2", "a:81"),
            ("http://[::1]:9/", "[::1]:9"), ("https://[::1]", "[::1]:443"),
            ("https://a?x", "a:443"), ("http://A_b-c.d/", "A_b-c.d:80"),
            ("wss://a", nil), ("https://", nil), ("https://u@a", nil), ("https://u:p@a/", nil),
            ("http://a:0", nil), ("http://a b", nil), ("http://a:99999", nil), ("http://[::1", nil),
            ("http://a:+81", nil), ("http://a:", nil), ("http://a/#x", nil), ("http://a\\b", nil),
            ("http://[fe80::1%25eth0]/", nil), ("http://é/", nil), ("http://a/\n", nil),
            ("http://[a]b/", nil), ("HTTP://a", nil), ("http:///x", nil), ("http://a%2f/", nil),
        ] as [(String, String?)])
    func addresses(text: String, peer: String?) {
        #expect(HTTPURL(text)?.peer == peer)
    }

    @Test("an address has a limit, and a second query is refused")
    func limits() {
        let most = "http://a/" + String(repeating: "x", count: HTTPURL.bytesMax - 9)
        #expect(HTTPURL(most) != nil && HTTPURL(most + "x") == nil)
        #expect(HTTPURL("http://a/?x=1", query: []) == nil)
        #expect(HTTPURL("http://a/x", query: [])?.text == "http://a/x")
        let host = String(repeating: "x", count: 254)
        #expect(HTTPURL("http://\(host)") == nil)
    }

    @Test("no description shows a query or a secret header")
    func secrets() throws {
        let url = try #require(HTTPURL("https://a.test/orders", query: [("key", "s3cret")]))
        let headers = [
            HTTPHeader("x-key", "s3cret", isSecret: true), HTTPHeader("x-open", "seen"),
        ]
        let request = HTTPRequest(url, headers: headers)
        var dumped = ""
        dump(request, to: &dumped)
        dump(headers, to: &dumped)
        dump(url, to: &dumped)
        let texts = [
            "\(request)", String(reflecting: request), dumped, "\(url)", String(reflecting: url),
            "\(headers)", String(reflecting: headers),
        ]
        for text in texts { #expect(!text.contains("s3cret"), "\(text)") }
        #expect("\(request)" == "GET https://a.test/orders?… x-key: …, x-open: seen")
    }

    @Test(
        "a header that would be sent as another one is refused",
        arguments: [
            ("x", "a\r\nb: c"), ("x", ""), ("x", " a"), ("x", "a "), ("x", "é"), ("x y", "a"),
            ("", "a"), ("x:", "a"), ("Host", "a"), ("content-length", "5"), ("x", "\u{7f}"),
        ])
    func invalid(name: String, value: String) throws {
        let url = try #require(HTTPURL("http://a"))
        let request = HTTPRequest(url, headers: [HTTPHeader(name, value)])
        #expect(throws: HTTPError.self) { try request.check() }
    }

    @Test("a request with a body is a POST, and a body has a limit")
    func bodies() throws {
        let url = try #require(HTTPURL("http://a"))
        #expect("\(HTTPRequest(url, body: [1, 2]))" == "POST http://a")
        let most = [UInt8](repeating: 0, count: HTTPRequest.bodyBytesMax)
        try HTTPRequest(url, body: most).check()
        #expect(throws: HTTPError.self) { try HTTPRequest(url, body: most + [0]).check() }
    }

    @Test("headers have a limit together")
    func headerBytes() throws {
        let url = try #require(HTTPURL("http://a"))
        let half = HTTPHeader(
            "x", String(repeating: "y", count: HTTPRequest.headerBytesMax / 2 - 1))
        try HTTPRequest(url, headers: [half, half]).check()
        #expect(throws: HTTPError.self) {
            try HTTPRequest(url, headers: [half, half, HTTPHeader("x", "y")]).check()
        }
    }

    @Test("an error is one line that says what to do, and knows whether a retry can help")
    func errors() {
        let code = HTTPFailureCode(rawValue: 7)
        let cases: [(HTTPError, String, Bool)] = [
            (.configuration("x"), "x", false),
            (.invalid("x"), "the request cannot be sent: x", false),
            (
                .tooMany(requestsMax: 1),
                "1 requests wait, run or were not taken: take outcomes first", true
            ),
            (
                .connect(peer: "p", code: code),
                "cannot connect to p: Couldn't connect to server (7): is it up and reachable?", true
            ),
            (
                .untrusted(peer: "p", reason: "r"),
                "the certificate of p is refused: r: check its name, time and authority", true
            ),
            (.timedOut(peer: "p"), "no whole answer of p came in time: ask again", true),
            (
                .lost(peer: "p", code: HTTPFailureCode(rawValue: 9_999)),
                "the answer of p broke: Unknown error (9999): ask again", true
            ),
            (
                .bodyTooLarge(peer: "p", bytesMax: 1), "p sent a body above 1 bytes: ask for less",
                true
            ),
            (
                .headersTooLarge(peer: "p", bytesMax: 1),
                "p sent headers above 1 bytes: is it the right server?", true
            ),
            (
                .broken(reason: "r"),
                "the thread for requests ended: r: is this process out of memory or files?", false
            ),
        ]
        for (error, text, isRetryable) in cases {
            #expect("\(error)" == text && error.isRetryable == isRetryable)
        }
    }

    @Test("when the thread cannot continue, all requests fail, and others are refused")
    func broken() throws {
        let queue = HTTPQueue(HTTPConfiguration())
        let request = HTTPRequest(try #require(HTTPURL("http://a")))
        for _ in 0..<6 { _ = try queue.add(request, until: .now + .seconds(5)) }
        #expect(queue.orders(at: .now).jobs.count == 4)
        let error = HTTPError.broken(reason: "out of memory")
        queue.fail(error)
        #expect(queue.take().map(\.result.failure) == Array(repeating: error, count: 6))
        #expect(throws: error) { _ = try queue.add(request, until: .now + .seconds(5)) }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
