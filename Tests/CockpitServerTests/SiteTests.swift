import Foundation
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

private func status(_ answer: String) -> String { String(answer.dropFirst(9).prefix(3)) }

@Suite("The pages on their port") struct SiteTests {
    @Test("each file is there, with a policy without inline code, and none of it breaks that")
    func files() throws {
        let cockpit = try LoneCockpit()
        let pages = [
            "/", "/chart", "/gaps", "/partitions", "/store", "/feeds", "/tape", "/dead", "/alerts",
            "/actions",
        ]
        let scripts = [
            "/live.js", "/stream.js", "/worker.js", "/overview.js", "/gaps.js", "/partitions.js",
            "/matrix.js", "/store.js",
            "/bars.js", "/feeds.js", "/alerts.js", "/chart.js", "/candles.js",
            "/dead.js", "/tape.js", "/copy.js", "/actions.js", "/signin.js",
        ]
        for path in pages + scripts + ["/style.css", "/icon.svg"] {
            let answer = try cockpit.get(path)
            #expect(status(answer) == "200", "\(path)")
            #expect(answer.contains("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(answer.contains("worker-src 'self'; "))
            #expect(answer.contains("frame-ancestors 'none'"))
            #expect(answer.contains("X-Content-Type-Options: nosniff"))
            #expect(!answer.contains("unsafe-inline") && !answer.contains(" style=\""))
            #expect(!answer.contains("innerHTML") && !answer.contains("<script>"))
            #expect(!answer.contains("http://") || path == "/icon.svg", "\(path)")
        }
        #expect(status(try cockpit.get("/nothing")) == "404")
        let tag = try #require(
            cockpit.get("/live.js").split(separator: "\r\n").first { $0.hasPrefix("ETag: ") })
        let again = try cockpit.get(
            "/live.js", "If-None-Match: \(tag.dropFirst("ETag: ".count))\r\n")
        #expect(status(again) == "304")
    }

    @Test("a document that a page has already is not sent again")
    func sameDocument() throws {
        let cockpit = try LoneCockpit()
        // The first answer is from before the first document. Without a service the others are the
        // same.
        var known = ""
        #expect(
            try eventually {
                let answer = try cockpit.get("/feeds.json", known)
                let tag = answer.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") }
                known = tag.map { "If-None-Match: \($0.dropFirst("ETag: ".count))\r\n" } ?? ""
                return status(answer) == "304" && answer.hasSuffix("\r\n\r\n")
            })
        #expect(status(try cockpit.get("/feeds.json", "If-None-Match: \"other\"\r\n")) == "200")
    }

    @Test("an event says that nothing is known; a client that comes back gets a newer one")
    func events() throws {
        let cockpit = try LoneCockpit()
        func event(_ last: String) throws -> (id: String, data: JSONValue) {
            let answer = try cockpit.ask(
                "GET /events HTTP/1.1\r\nHost: localhost\r\n\(last)\r\n", until: "}\n\n")
            #expect(status(answer) == "200")
            #expect(answer.contains("Content-Type: text/event-stream"))
            let lines = answer.split(whereSeparator: \.isNewline)
            let id = try #require(lines.first { $0.hasPrefix("id: ") })
            let data = try #require(lines.first { $0.hasPrefix("data: ") })
            return (
                String(id.dropFirst(4)), try JSONValue.parse(Array(data.dropFirst(6).utf8))
            )
        }
        let first = try event("")
        #expect(
            first.data["verdict"]?.array?.first?["text"]?.string?.hasPrefix("NATS AWAY") == true)
        let second = try event("Last-Event-ID: \(first.id)\r\n")
        let number = { (id: String) in Int(id.split(separator: ".")[1]) ?? 0 }
        #expect(number(second.id) > number(first.id))
        #expect((second.data["now"]?.double ?? 0) > (first.data["now"]?.double ?? 0))
    }

    @Test("a chart is asked for by parameters, and what cannot be asked is refused with a sentence")
    func parameters() throws {
        let cockpit = try LoneCockpit()
        func ask(_ query: String) throws -> (status: String, json: JSONValue) {
            let answer = try cockpit.get("/chart.json?\(query)")
            let body = answer.components(separatedBy: "\r\n\r\n")
            return (status(answer), try JSONValue.parse(body[1]))
        }
        let symbol = "symbol=A%2FB+%26%C3%A9&series=1m"
        let first = try ask("\(symbol)&source=s")
        #expect(first.status == "200" && first.json["absence"]?.string == "not asked yet")
        // The database is not there. The page of the same parameters, in whatever order, says so.
        #expect(
            try eventually {
                let reason = try ask("series=1m&source=s&\(symbol)&symbol=C").json["absence"]
                return reason?.string?.contains("connect") == true
            })
        #expect(
            cockpit.running.service.metric(
                "mds_cockpit_questions_total{outcome=\"failed\",question=\"chart\"}") != nil)
        for bad in ["", "symbol=A%00&series=1m&source=s", "\(symbol)&source", "\(symbol)&source="] {
            let (status, json) = try ask(bad)
            #expect(status == "400" && json["refused"]?.string?.isEmpty == false, "\(bad)")
        }
        // Those that were put back say so.
        for number in 0..<QuestionBook<ChartQuestion, [UInt8]>.openMax {
            _ = try ask("symbol=S\(number)&series=1m&source=s")
        }
        let refused = try ask("\(symbol)&source=s")
        #expect(refused.json["refused"]?.string?.contains("different charts are open") == true)
    }

    @Test("foreign hosts, foreign sites, other methods and large requests are refused")
    func refused() throws {
        let cockpit = try LoneCockpit()
        let foreign = try cockpit.ask(
            "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        #expect(status(foreign) == "421")
        #expect(status(try cockpit.get("/events", "Origin: http://evil.example\r\n")) == "403")
        #expect(status(try cockpit.get("/", "Sec-Fetch-Site: cross-site\r\n")) == "403")
        #expect(status(try cockpit.post("/", "x")) == "405")
        #expect(
            status(
                try cockpit.post(
                    "/session", String(repeating: "x", count: CockpitLimits.bodyBytesMax + 1)))
                == "413")
        let delete = try cockpit.ask("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(status(delete) == "405")
        let large = try cockpit.get("/", "X: \(String(repeating: "x", count: 20_000))\r\n")
        #expect(["431", "413", "414", "400"].contains(status(large)))
        #expect(status(try cockpit.get("/")) == "200")
    }

    @Test("a thousand connections that say nothing, and the page still answers")
    func crowd() throws {
        let cockpit = try LoneCockpit()
        let stream = try PlainConnection(port: cockpit.port)
        try stream.send(Array("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        _ = try stream.receive { String(decoding: $0, as: UTF8.self).contains("event: look") }
        var crowd: [PlainConnection] = []
        for number in 0..<1_000 {
            let one = try PlainConnection(port: cockpit.port)
            if number.isMultiple(of: 2) { try? one.send(Array("GET / HTTP/1.1\r\nHo".utf8)) }
            crowd.append(one)
        }
        #expect(status(try cockpit.get("/")) == "200")
        #expect(
            (cockpit.running.service.metric("mds_cockpit_connections_cut_total") ?? 0) >= 700)
        // The stream that was open before goes on.
        let more = try stream.receive {
            String(decoding: $0, as: UTF8.self).contains("event: look")
        }
        #expect(!more.isEmpty)
        withExtendedLifetime(crowd) {}
    }

    @Test("more streams than there may be are refused")
    func streams() throws {
        let cockpit = try LoneCockpit()
        let request = Array("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        let open = try (0..<CockpitLimits.streamsMax).map { _ in
            let one = try PlainConnection(port: cockpit.port)
            try one.send(request)
            _ = try one.receive { String(decoding: $0, as: UTF8.self).contains("retry") }
            return one
        }
        #expect(status(try cockpit.get("/events")) == "503")
        #expect(cockpit.running.service.metric("mds_cockpit_watchers") == 64)
        withExtendedLifetime(open) {}
    }

    @Test("a question of the tape is refused in a sentence, or waits for NATS")
    func questions() throws {
        let cockpit = try LoneCockpit()
        let wrong = try cockpit.get("/tape.json?partition=32")
        #expect(status(wrong) == "400" && wrong.contains("a partition is a number from 0 to 31"))
        let long = String(repeating: "x", count: 600)
        #expect(status(try cockpit.get("/tape.json?symbol=\(long)")) == "400")
        #expect(status(try cockpit.get("/tape.json")) == "400")
        let open = try cockpit.get("/tape.json?symbol=BTC%2FUSD&seek=newest")
        #expect(status(open) == "200" && !open.contains("refused"))
        // At one more than the most the oldest is put back, and told so.
        let most = QuestionBook<TapeQuestion, [UInt8]>.openMax
        for number in 0..<most {
            #expect(
                status(try cockpit.get("/tape.json?partition=1&seek=sequence&at=\(number + 1)"))
                    == "200")
        }
        let again = try cockpit.get("/tape.json?symbol=BTC%2FUSD&seek=newest")
        #expect(again.contains("more than \(most) different places"))
    }

    @Test("with a token nothing is shown but the page that asks for it")
    func token() throws {
        let cockpit = try LoneCockpit(["COCKPIT_TOKEN": "0123456789abcdef"])
        #expect(status(try cockpit.get("/")) == "401")
        #expect(try cockpit.get("/gaps").contains("Token of this cockpit"))
        #expect(try cockpit.get("/partitions").contains("Token of this cockpit"))
        #expect(status(try cockpit.get("/partitions.json")) == "401")
        #expect(status(try cockpit.get("/chart.json?symbol=A&source=s&series=1m")) == "401")
        #expect(status(try cockpit.get("/tape.json?partition=1")) == "401")
        #expect(status(try cockpit.get("/events")) == "401")
        #expect(status(try cockpit.get("/overview.js")) == "401")
        #expect(status(try cockpit.get("/style.css")) == "200")
        #expect(status(try cockpit.get("/signin.js")) == "200")
        let wrong = try cockpit.post("/session", "token=0123456789abcdeg")
        #expect(status(wrong) == "401" && !wrong.contains("Set-Cookie"))
        let right = try cockpit.post("/session", "token=0123456789abcdef")
        #expect(status(right) == "303")
        let line = try #require(
            right.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") })
        #expect(line.contains("HttpOnly; SameSite=Strict; Path=/"))
        let cookie = try #require(line.dropFirst("Set-Cookie: ".count).split(separator: ";").first)
        #expect(status(try cockpit.get("/", "Cookie: \(cookie)\r\n")) == "200")
        #expect(status(try cockpit.get("/", "Cookie: \(cookie)x\r\n")) == "401")
        #expect(cockpit.running.log.count(of: "cockpit.token.refused") == 1)
    }

    @Test("a stream ends with its session, and where all may read it does not")
    func streamOfSession() throws {
        let closed = try LoneCockpit(["COCKPIT_TOKEN": "0123456789abcdef"])
        let opened = try closed.post("/session", "token=0123456789abcdef")
        let line = try #require(
            opened.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") })
        let cookie = "Cookie: \(line.dropFirst("Set-Cookie: ".count).prefix { $0 != ";" })\r\n"
        func stream(_ cockpit: LoneCockpit) throws -> PlainConnection {
            let stream = try PlainConnection(port: cockpit.port)
            let request = "GET /events HTTP/1.1\r\nHost: localhost\r\n\(cookie)\r\n"
            try stream.send(Array(request.utf8))
            _ = try stream.receive { String(decoding: $0, as: UTF8.self).contains("event: look") }
            return stream
        }
        let own = try stream(closed)
        let isFree = try LoneCockpit()
        let other = try stream(isFree)
        for cockpit in [closed, isFree] {
            #expect(status(try cockpit.post("/leave", "", cookie)) == "303")
        }
        #expect(eventually { closed.running.service.metric("mds_cockpit_watchers") == 0 })
        // The last piece of the answer.
        _ = try own.receive { String(decoding: $0, as: UTF8.self).hasSuffix("\r\n0\r\n\r\n") }
        let more = try other.receive {
            String(decoding: $0, as: UTF8.self).contains("event: look")
        }
        #expect(!more.isEmpty)
    }

    @Test("contents of one FNV-1a have tags of their own")
    func tags() {
        // This one's FNV-1a of 64 bits is 0, which another byte 0 leaves as it is.
        let one: [UInt8] = [0xd5, 0x6b, 0xb9, 0x53, 0x42, 0x87, 0x08, 0x36]
        #expect(fnv1a(one) == fnv1a(one + [0]))
        #expect(WebFile.tag(of: one) != WebFile.tag(of: one + [0]))
    }
}
