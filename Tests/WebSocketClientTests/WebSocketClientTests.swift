import Foundation
import Primitives
import TestSupport
import Testing

@testable import WebSocketClient

/// The client against a server of PyPI's websockets on loopback.
@Suite("WebSockets against a foreign server", .enabled(if: PythonServer.obstacle == nil))
struct WebSocketClientTests {
    private static let script =
        "\(ServerPrograms.checkout)/Tests/WebSocketClientTests/foreign_server.py"
    private static let plain = Result { try PythonServer(script) }

    /// What came on one connection.
    private struct Heard {
        var messages: [[UInt8]] = []
        var isOpened = false
        var areTexts = true
        var end: WebSocketError?

        var texts: [String] { messages.map { String(decoding: $0, as: UTF8.self) } }
    }

    private func url(_ port: UInt16, _ path: String, tls: Bool = false) throws -> WebSocketURL {
        try #require(
            WebSocketURL("\(tls ? "wss" : "ws")://127.0.0.1:\(port)/\(path)"))
    }

    /// Works until the condition is true, or half a minute has passed.
    private func work(
        _ client: WebSocketClient, _ heard: inout Heard, onOpen: (WebSocketID) -> Void = { _ in },
        until isDone: (Heard) -> Bool
    ) -> Bool {
        let limit = ContinuousClock.now + .seconds(30)
        while !isDone(heard), ContinuousClock.now < limit {
            client.work(for: .milliseconds(100))
            client.take { id, event, bytes in
                switch event {
                case .opened:
                    heard.isOpened = true
                    onOpen(id)
                case .message(let isText):
                    heard.messages.append(bytes.array)
                    heard.areTexts = heard.areTexts && isText
                case .ended(let error): heard.end = error
                }
            }
        }
        return isDone(heard)
    }

    /// Returns what comes from a path of the foreign server.
    private func hear(
        _ path: String, _ configuration: WebSocketConfiguration = WebSocketConfiguration(),
        until isDone: (Heard) -> Bool
    ) throws -> Heard {
        let client = try WebSocketClient(configuration)
        _ = try client.open(url(Self.plain.get().port(), path))
        var heard = Heard()
        #expect(work(client, &heard, until: isDone), "\(heard)")
        return heard
    }

    @Test("a text comes back as it was sent, also a long one with other letters")
    func echo() throws {
        let client = try WebSocketClient(WebSocketConfiguration())
        let id = try client.open(url(Self.plain.get().port(), "echo"))
        var heard = Heard()
        let texts = ["{\"id\":1}", "é€😀", String(repeating: "z", count: 60_000)]
        #expect(!client.send("too early", on: id))
        #expect(
            work(
                client, &heard,
                onOpen: { id in for text in texts { _ = client.send(text, on: id) } }
            ) { $0.messages.count == 3 })
        #expect(heard.texts == texts && heard.areTexts)
        // What waits to be sent is bounded.
        #expect(client.send(String(repeating: "z", count: 65_536), on: id))
        #expect(!client.send("x", on: id))
        client.close(id)
        #expect(!client.send("x", on: id))
    }

    @Test("many messages come in order; no extension is asked for")
    func many() throws {
        let heard = try hear("count/20000") { $0.messages.count == 20_000 }
        #expect(
            heard.texts.first
                == "{\"number\": 0, \"filler\": \"\(String(repeating: "x", count: 100))\"}")
        #expect(heard.texts.last?.hasPrefix("{\"number\": 19999,") == true)
        let extensions = try hear("extensions") { $0.messages.count == 1 }
        #expect(extensions.texts == ["[]"])
    }

    @Test("the request to connect calls the client as the settings say")
    func userAgent() throws {
        var configuration = WebSocketConfiguration()
        let usual = try hear("agent") { $0.messages.count == 1 }
        #expect(usual.texts == ["tapeline"])
        configuration.userAgent = "tapeline/9.9 (me@example.com)"
        let own = try hear("agent", configuration) { $0.messages.count == 1 }
        #expect(own.texts == [configuration.userAgent])
        for name in ["", "a\r\nhost: b", "é", " a", "a "] {
            configuration.userAgent = name
            #expect(throws: WebSocketError.self) { _ = try WebSocketClient(configuration) }
        }
    }

    @Test("fragments are one message, and bytes are no text")
    func fragments() throws {
        let heard = try hear("fragments") { $0.messages.count == 1 }
        #expect(heard.texts == ["abcd" + String(repeating: "é", count: 50_000) + "ef"])
        let bytes = try hear("binary") { $0.messages.count == 1 }
        #expect(bytes.messages == [[0, 1, 255]] && !bytes.areTexts)
    }

    @Test("a message above the limit ends its connection, one at the limit does not")
    func oversized() throws {
        var configuration = WebSocketConfiguration()
        configuration.messageBytesMax = 100_000
        let most = try hear("large/100000", configuration) { $0.messages.count == 1 }
        #expect(most.messages.first?.count == 100_000)
        let heard = try hear("large/100001", configuration) { $0.end != nil }
        guard case .tooLarge(_, 100_000) = heard.end else {
            Issue.record("\(heard.end as Any)")
            return
        }
        #expect(heard.messages.isEmpty)
    }

    @Test(
        "what a server sends behind a refused message is left out", arguments: ["long", "broken"])
    func flood(_ kind: String) throws {
        let client = try WebSocketClient(WebSocketConfiguration())
        _ = try client.open(url(Self.plain.get().port(), "flood/\(kind)"))
        var heard = Heard()
        #expect(work(client, &heard) { $0.end != nil })
        guard case .tooLarge = heard.end else {
            Issue.record("\(heard.end as Any)")
            return
        }
        // The rest comes, as long as the server sends.
        for _ in 0..<200 { client.work(for: .milliseconds(1)) }
        #expect(client.waitingBytes == 0 && heard.messages.isEmpty)
        _ = try client.open(url(Self.plain.get().port(), "binary"))
        #expect(work(client, &heard) { $0.messages.count == 1 })
    }

    @Test("while nobody takes messages, only so many are read, and none is lost")
    func pressure() throws {
        var configuration = WebSocketConfiguration()
        configuration.inboxBytesMax = 10_000
        let client = try WebSocketClient(configuration)
        _ = try client.open(url(Self.plain.get().port(), "count/50000"))
        let limit = ContinuousClock.now + .seconds(30)
        while client.waitingBytes < 10_000, ContinuousClock.now < limit {
            client.work(for: .milliseconds(100))
        }
        for _ in 0..<1_000 { client.work(for: .zero) }
        #expect(client.waitingBytes >= 10_000 && client.waitingBytes < 1_000_000)
        var heard = Heard()
        #expect(work(client, &heard) { $0.messages.count == 50_000 })
        #expect(heard.texts.last?.hasPrefix("{\"number\": 49999,") == true)
    }

    @Test("the server's close comes with its code and text, after what came before")
    func closing() throws {
        // The library says 1002 for codes of which it does not know yet.
        let codes: [(sent: UInt16, found: UInt16)] = [
            (1_000, 1_000), (1_001, 1_001), (1_008, 1_008), (3_999, 3_999), (1_012, 1_002),
        ]
        for (code, said) in codes {
            let heard = try hear("close/\(code)") { $0.end != nil }
            #expect(heard.texts == ["last"])
            guard let end = heard.end, case .closed(_, let found, "enough for today") = end else {
                Issue.record("\(heard.end as Any)")
                continue
            }
            #expect(found.rawValue == said)
            #expect(end.description.contains("ask for less") == (code == 1_008))
        }
    }

    @Test(
        "a cut, garbage, and text that is no UTF-8 end the connection in one line",
        arguments: [
            ("cut", ["last"], false), ("garbage", [], false), ("broken-text", [], true),
            ("broken-end", [], true),
        ])
    func broken(path: String, texts: [String], isInvalidText: Bool) throws {
        let peer = "127.0.0.1:\(try Self.plain.get().port())"
        let heard = try hear(path) { $0.end != nil }
        #expect(heard.isOpened && heard.texts == texts)
        #expect(heard.end == (isInvalidText ? .invalidText(peer: peer) : .lost(peer: peer)))
        let line = heard.end.map { "\($0)" } ?? ""
        #expect(line.contains(peer) && !line.contains("\n"))
    }

    @Test("texts of servers are shown in one line without what moves the cursor")
    func oneLine() {
        let shown = WebSocketError.oneLine("a\nb\u{2028}c\u{85}d\u{1b}[1m\u{202e}é")
        #expect(shown == "a b c d [1m é")
        #expect(WebSocketError.oneLine(String(repeating: "x", count: 300)).count == 201)
    }

    @Test("a redirection to another server is a failure")
    func redirected() throws {
        let server = try Self.plain.get()
        let client = try WebSocketClient(WebSocketConfiguration())
        _ = try client.open(url(server.port("redirecting_port"), ""))
        var heard = Heard()
        #expect(work(client, &heard) { $0.end != nil })
        #expect(!heard.isOpened && heard.messages.isEmpty)
    }

    @Test("a connection that is closed says so, with the code for it")
    func codes() throws {
        let client = try WebSocketClient(WebSocketConfiguration())
        let port = try Self.plain.get().port()
        let id = try client.open(url(port, "binary"))
        var heard = Heard()
        #expect(work(client, &heard) { $0.messages.count == 1 })
        client.close(id)
        _ = try client.open(url(port, "broken-text"))
        #expect(work(client, &heard) { $0.end != nil })
        var told = Heard()
        _ = try client.open(url(port, "codes"))
        // The server sends the codes that it got, as often as one comes.
        #expect(
            work(client, &told) {
                $0.texts.last?.contains("1000") == true && $0.texts.last?.contains("1007") == true
            })
    }

    @Test("an end in order tells the server of every connection")
    func closeAll() throws {
        let names = (0..<3).map { "\($0)-\(UInt32.random(in: 0 ... .max))" }
        do {
            let client = try WebSocketClient(WebSocketConfiguration())
            var connections = NumberedConnections(client)
            for (number, name) in names.enumerated() {
                try connections.open(
                    url(Self.plain.get().port(), "noted/\(name)"), as: UInt32(number))
            }
            var opened = 0
            let limit = ContinuousClock.now + .seconds(30)
            while opened < 3, ContinuousClock.now < limit {
                client.work(for: .milliseconds(100))
                connections.take { _, event, _ in if case .opened = event { opened += 1 } }
            }
            #expect(opened == 3)
            connections.closeAll()
        }
        for name in names {
            #expect(try hear("left/\(name)") { $0.messages.count == 1 }.texts == ["1000"])
        }
    }

    @Test("a half-open connection is given up after its time")
    func halfOpen() throws {
        var configuration = WebSocketConfiguration()
        configuration.pingAfter = .seconds(1)
        configuration.hangUpAfter = .seconds(2)
        let heard = try hear("half-open", configuration) { $0.end != nil }
        #expect(heard.isOpened)
        #expect(heard.end == .lost(peer: "127.0.0.1:\(try Self.plain.get().port())"))
    }

    @Test("nobody there, a server that says nothing, and one that refuses, are errors in one line")
    func refused() throws {
        let server = try Self.plain.get()
        var configuration = WebSocketConfiguration()
        configuration.connectTimeout = .seconds(1)
        for port in [freePort(), server.port("silent_port")] {
            let client = try WebSocketClient(configuration)
            _ = try client.open(url(port, ""))
            var heard = Heard()
            #expect(work(client, &heard) { $0.end != nil })
            guard case .connect(let peer, _) = heard.end else {
                Issue.record("\(heard.end as Any)")
                continue
            }
            #expect(peer == "127.0.0.1:\(port)" && !heard.isOpened)
        }
        let client = try WebSocketClient(configuration)
        _ = try client.open(url(server.port("refusing_port"), ""))
        var heard = Heard()
        #expect(work(client, &heard) { $0.end != nil })
        let peer = "127.0.0.1:\(server.port("refusing_port"))"
        #expect(heard.end == .refused(peer: peer, status: 403))
        #expect(heard.end?.description.contains("status 403: check the key's rights") == true)
    }

    @Test(
        "TLS is checked: by the file of certificates, and by the name",
        .enabled(if: Certificates.obstacle == nil))
    func tls() throws {
        let certificates = try Certificates()
        try certificates.make("right", name: "127.0.0.1")
        try certificates.make("wrong", name: "example.org")
        try certificates.make("old", name: "127.0.0.1", days: -1)
        let cases: [(file: String, authority: String, isRight: Bool)] = [
            ("right", "authority", true), ("right", "otherAuthority", false),
            ("wrong", "authority", false), ("old", "authority", false), ("right", "", false),
        ]
        for (file, authority, isRight) in cases {
            let server = try PythonServer(
                Self.script, [certificates.certificate(file), certificates.key(file)])
            var configuration = WebSocketConfiguration()
            configuration.caPath = authority.isEmpty ? "" : certificates.certificate(authority)
            let client = try WebSocketClient(configuration)
            _ = try client.open(url(server.port(), "binary", tls: true))
            var heard = Heard()
            #expect(work(client, &heard) { $0.end != nil || !$0.messages.isEmpty })
            #expect(heard.isOpened == isRight, "\(file) \(authority): \(heard)")
            guard !isRight else { continue }
            if case .connect = heard.end {} else { Issue.record("\(heard.end as Any)") }
        }
    }

    @Test(
        "at an address that was looked up before, a server is checked by its name",
        .enabled(if: Certificates.obstacle == nil))
    func lookedUp() throws {
        let certificates = try Certificates()
        try certificates.make("named", name: "exchange.invalid")
        let server = try PythonServer(
            Self.script, [certificates.certificate("named"), certificates.key("named")])
        var configuration = WebSocketConfiguration()
        configuration.caPath = certificates.certificate("authority")
        for (name, isRight) in [("exchange.invalid", true), ("other.invalid", false)] {
            let client = try WebSocketClient(configuration)
            let url = try #require(WebSocketURL("wss://\(name):\(server.port())/binary"))
            let asked = client.asked(for: url)
            #expect(asked.host == name && asked.port == server.port())
            _ = try client.open(url, at: "127.0.0.1")
            var heard = Heard()
            #expect(work(client, &heard) { $0.end != nil || !$0.messages.isEmpty })
            #expect(heard.isOpened == isRight, "\(name): \(heard)")
        }
    }

    @Test("a proxy is asked at the address that was looked up")
    func lookedUpProxy() throws {
        let server = try Self.plain.get()
        var configuration = WebSocketConfiguration()
        configuration.proxy = "proxy.invalid:\(server.port("proxy_port"))"
        let client = try WebSocketClient(configuration)
        let url = try #require(WebSocketURL("ws://exchange.invalid:\(server.port())/binary"))
        let asked = client.asked(for: url)
        #expect(asked.host == "proxy.invalid" && asked.port == server.port("proxy_port"))
        _ = try client.open(url, at: "127.0.0.1")
        var heard = Heard()
        #expect(work(client, &heard) { $0.end != nil || !$0.messages.isEmpty })
        #expect(heard.isOpened, "\(heard)")
    }

    @Test("a proxy is asked to connect, and one that does not is an error")
    func proxy() throws {
        let server = try Self.plain.get()
        for (port, isRight) in [(server.port("proxy_port"), true), (freePort(), false)] {
            var configuration = WebSocketConfiguration()
            configuration.proxy = "127.0.0.1:\(port)"
            let client = try WebSocketClient(configuration)
            // Only the proxy knows this name.
            _ = try client.open(
                #require(WebSocketURL("ws://exchange.invalid:\(server.port())/binary")))
            var heard = Heard()
            #expect(work(client, &heard) { $0.end != nil || !$0.messages.isEmpty })
            #expect(heard.isOpened == isRight && (heard.end == nil) == isRight, "\(heard)")
        }
        var configuration = WebSocketConfiguration()
        configuration.proxy = "127.0.0.1:\(server.port("proxy_port"))"
        let client = try WebSocketClient(configuration)
        for host in ["[::1]", String(repeating: "x", count: 91)] {
            let url = try #require(WebSocketURL("ws://\(host):1/"))
            #expect(throws: WebSocketError.self) { _ = try client.open(url) }
        }
    }

    @Test("a wait ends by itself, also one that is over before the library looks at it")
    func shortWaits() throws {
        let client = try WebSocketClient(WebSocketConfiguration())
        // A wait that is missed would last for days.
        for _ in 0..<2_000 { client.work(for: .microseconds(1)) }
        #expect(client.waitingBytes == 0)
    }

    @Test("another thread wakes it, also after its end")
    func waking() throws {
        let client = try WebSocketClient(WebSocketConfiguration())
        let waker = client.waker
        let begun = ContinuousClock.now
        Thread.detachNewThread { waker.wake() }
        client.work(for: .seconds(20))
        #expect(ContinuousClock.now - begun < .seconds(15))
        withExtendedLifetime(client) {}
    }

    @Test("the number of connections is bounded, and settings that cannot work are refused")
    func bounds() throws {
        var configuration = WebSocketConfiguration()
        configuration.connectionsMax = 2
        let client = try WebSocketClient(configuration)
        let port = try Self.plain.get().port()
        let first = try client.open(url(port, "echo"))
        _ = try client.open(url(port, "echo"))
        #expect(throws: WebSocketError.tooMany(connectionsMax: 2)) {
            _ = try client.open(url(port, "echo"))
        }
        client.close(first)
        _ = try client.open(url(port, "echo"))
        configuration.caPath = "/nonexistent/file"
        #expect(throws: WebSocketError.self) { _ = try WebSocketClient(configuration) }
        configuration.caPath = ""
        configuration.pingAfter = .seconds(2)
        configuration.hangUpAfter = .milliseconds(1_500)
        #expect(throws: WebSocketError.self) { _ = try WebSocketClient(configuration) }
        configuration.hangUpAfter = .seconds(3)
        for proxy in ["no port", "no-port", "user@a:1", "[::1]:1", ":1", "a:b", "a:+1"] {
            configuration.proxy = proxy
            #expect(throws: WebSocketError.self) { _ = try WebSocketClient(configuration) }
        }
    }

    @Test(
        "addresses are read, and what is none is refused",
        arguments: [
            ("wss://a.test", "a.test:443", "/"), ("ws://a:81/x?y=1", "a:81", "/x?y=1"),
            ("ws://[::1]:9/", "[::1]:9", "/"), ("wss://a?x", "a:443", "/?x"), ("http://a", "", ""),
            ("ws://", "", ""), ("ws://u@a", "", ""), ("ws://a:0", "", ""), ("ws://a b", "", ""),
            ("ws://a:99999", "", ""), ("ws://[::1", "", ""), ("ws://a:+81", "", ""),
            ("wss://[::1]:9/", "", ""),
        ])
    func addresses(text: String, peer: String, path: String) {
        let url = WebSocketURL(text)
        #expect((url?.peer ?? "") == peer && (url?.path ?? "") == path)
    }
}
