import Foundation
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

@Suite("The pages on their port") struct SiteTests {
    @Test("each file is there, with a policy without inline code, and none of it breaks that")
    func files() throws {
        let cockpit = try LoneCockpit()
        for path in WebFiles.all.keys {
            let answer = try cockpit.get(path)
            #expect(answer.status == 200, "\(path)")
            #expect(answer.contains("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(answer.contains("worker-src 'self'; "))
            #expect(answer.contains("frame-ancestors 'none'"))
            #expect(answer.contains("X-Content-Type-Options: nosniff"))
            #expect(!answer.contains("unsafe-inline") && !answer.contains(" style=\""))
            #expect(!answer.contains("innerHTML") && !answer.contains("<script>"))
            let isText = path == "/icon.svg" || WebFiles.runbooks[path] != nil
            #expect(!answer.contains("http://") || isText, "\(path)")
        }
        #expect(try cockpit.get("/nothing").status == 404)
        let tag = try #require(cockpit.get("/live.js").header("ETag"))
        #expect(try cockpit.get("/live.js", "If-None-Match: \(tag)\r\n").status == 304)
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
                known = answer.header("ETag").map { "If-None-Match: \($0)\r\n" } ?? ""
                return answer.status == 304 && answer.body.isEmpty
            })
        #expect(try cockpit.get("/feeds.json", "If-None-Match: \"other\"\r\n").status == 200)
    }

    @Test("an event says that nothing is known; a client that comes back gets a newer one")
    func events() throws {
        let cockpit = try LoneCockpit()
        func event(_ last: String) throws -> (id: String, data: JSONValue) {
            let answer = try cockpit.ask(
                "GET /events HTTP/1.1\r\nHost: localhost\r\n\(last)\r\n", until: "}\n\n")
            #expect(answer.status == 200)
            #expect(answer.contains("Content-Type: text/event-stream"))
            let lines = answer.description.split(whereSeparator: \.isNewline)
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
        func ask(_ query: String) throws -> (status: Int, json: JSONValue) {
            let answer = try cockpit.get("/chart.json?\(query)")
            return (answer.status, try answer.json())
        }
        let symbol = "symbol=A%2FB+%26%C3%A9&series=1m"
        let first = try ask("\(symbol)&source=s")
        #expect(first.status == 200 && first.json["absence"]?.string == "not asked yet")
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
            #expect(status == 400 && json["refused"]?.string?.isEmpty == false, "\(bad)")
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
        #expect(foreign.status == 421)
        #expect(try cockpit.get("/events", "Origin: http://evil.example\r\n").status == 403)
        #expect(try cockpit.get("/", "Sec-Fetch-Site: cross-site\r\n").status == 403)
        #expect(try cockpit.post("/", "x").status == 405)
        let long = String(repeating: "x", count: CockpitLimits.bodyBytesMax + 1)
        #expect(try cockpit.post("/session", long).status == 413)
        let delete = try cockpit.ask("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(delete.status == 405)
        let large = try cockpit.get("/", "X: \(String(repeating: "x", count: 20_000))\r\n")
        #expect([431, 413, 414, 400].contains(large.status))
        #expect(try cockpit.get("/").status == 200)
    }

    @Test("a thousand connections that say nothing, and the page still answers")
    func crowd() throws {
        let cockpit = try LoneCockpit()
        let stream = try cockpit.stream()
        var crowd: [PlainConnection] = []
        for number in 0..<1_000 {
            let one = try PlainConnection(port: cockpit.port)
            if number.isMultiple(of: 2) { try? one.send(Array("GET / HTTP/1.1\r\nHo".utf8)) }
            crowd.append(one)
        }
        #expect(try cockpit.get("/").status == 200)
        #expect(
            (cockpit.running.service.metric("mds_cockpit_connections_cut_total") ?? 0) >= 700)
        // The stream that was open before goes on.
        try LoneCockpit.receive("event: look", from: stream)
        withExtendedLifetime(crowd) {}
    }

    @Test("more streams than there may be are refused")
    func streams() throws {
        let cockpit = try LoneCockpit()
        let open = try (0..<CockpitLimits.streamsMax).map { _ in
            try cockpit.stream(until: "retry")
        }
        #expect(try cockpit.get("/events").status == 503)
        #expect(cockpit.running.service.metric("mds_cockpit_watchers") == 64)
        withExtendedLifetime(open) {}
    }

    @Test("a question of the tape is refused in a sentence, or waits for NATS")
    func questions() throws {
        let cockpit = try LoneCockpit()
        let wrong = try cockpit.get("/tape.json?partition=32")
        #expect(wrong.status == 400 && wrong.contains("a partition is a number from 0 to 7"))
        let long = String(repeating: "x", count: 600)
        #expect(try cockpit.get("/tape.json?symbol=\(long)").status == 400)
        #expect(try cockpit.get("/tape.json").status == 400)
        let open = try cockpit.get("/tape.json?symbol=BTC%2FUSD&seek=newest")
        #expect(open.status == 200 && !open.contains("refused"))
        // At one more than the most the oldest is put back, and told so.
        let most = QuestionBook<TapeQuestion, [UInt8]>.openMax
        for number in 0..<most {
            #expect(
                try cockpit.get("/tape.json?partition=1&seek=sequence&at=\(number + 1)").status
                    == 200)
        }
        let again = try cockpit.get("/tape.json?symbol=BTC%2FUSD&seek=newest")
        #expect(again.contains("more than \(most) different places"))
    }

    @Test("with a token nothing is shown but the page that asks for it")
    func token() throws {
        let cockpit = try LoneCockpit(["COCKPIT_TOKEN": "0123456789abcdef"])
        for (path, status) in [
            ("/", 401), ("/partitions.json", 401), ("/chart.json?symbol=A&source=s&series=1m", 401),
            ("/tape.json?partition=1", 401), ("/events", 401), ("/overview.js", 401),
            ("/style.css", 200), ("/signin.js", 200),
        ] {
            #expect(try cockpit.get(path).status == status, "\(path)")
        }
        #expect(try cockpit.get("/gaps").contains("Token of this cockpit"))
        #expect(try cockpit.get("/partitions").contains("Token of this cockpit"))
        let wrong = try cockpit.post("/session", "token=0123456789abcdeg")
        #expect(wrong.status == 401 && wrong.cookie == nil)
        let right = try cockpit.post("/session", "token=0123456789abcdef")
        #expect(right.status == 303)
        #expect(right.header("Set-Cookie")?.contains("HttpOnly; SameSite=Strict; Path=/") == true)
        let cookie = try #require(right.cookie)
        #expect(try cockpit.get("/", cookie).status == 200)
        #expect(try cockpit.get("/", cookie.replacing("\r\n", with: "x\r\n")).status == 401)
        #expect(cockpit.running.log.count(of: "cockpit.token.refused") == 1)
    }

    @Test("a stream ends with its session, and where all may read it does not")
    func streamOfSession() throws {
        let closed = try LoneCockpit(["COCKPIT_TOKEN": "0123456789abcdef"])
        let cookie = try #require(closed.post("/session", "token=0123456789abcdef").cookie)
        let isFree = try LoneCockpit()
        let (own, other) = (try closed.stream(cookie), try isFree.stream(cookie))
        for cockpit in [closed, isFree] {
            #expect(try cockpit.post("/leave", "", cookie).status == 303)
        }
        #expect(eventually { closed.running.service.metric("mds_cockpit_watchers") == 0 })
        // The last piece of the answer, which may come alone.
        _ = try own.receive { String(decoding: $0, as: UTF8.self).hasSuffix("0\r\n\r\n") }
        try LoneCockpit.receive("event: look", from: other)
    }

    @Test("a stream ends with its token, also when no process asks for anything else")
    func streamOfToken() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("old-0123456789abcdef", to: "token")
        let cockpit = try LoneCockpit(["COCKPIT_TOKEN_FILE": path])
        let cookie = try #require(
            cockpit.post("/session", "token=old-0123456789abcdef").cookie)
        let stream = try cockpit.stream(cookie)
        #expect(cockpit.running.service.metric("mds_cockpit_watchers") == 1)
        try folder.write("new-0123456789abcdef", to: "token")
        #expect(eventually { cockpit.running.service.metric("mds_cockpit_watchers") == 0 })
        withExtendedLifetime(stream) {}
    }

    @Test("contents of one FNV-1a have tags of their own")
    func tags() {
        // This one's FNV-1a of 64 bits is 0, which another byte 0 leaves as it is.
        let one: [UInt8] = [0xd5, 0x6b, 0xb9, 0x53, 0x42, 0x87, 0x08, 0x36]
        #expect(fnv1a(one) == fnv1a(one + [0]))
        #expect(WebFile.tag(of: one) != WebFile.tag(of: one + [0]))
    }
}
