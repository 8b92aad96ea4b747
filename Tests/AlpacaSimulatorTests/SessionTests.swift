import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import AlpacaSimulator

@Suite("Sessions of the simulated Alpaca")
struct SessionTests {
    private static let auth = #"{"action":"auth","key":"test-key","secret":"test-secret"}"#
    private static let held = #"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#
    private static let authenticated = #"[{"T":"success","msg":"authenticated"}]"#

    @Test("a client is greeted, authenticates, and gets the whole list of what it subscribed to")
    func life() throws {
        var bench = Bench()
        let number = try bench.webSocket("/v2/iex")
        #expect(bench.texts(number) == [#"[{"T":"success","msg":"connected"}]"#])
        #expect(bench.ask(Self.auth, of: number) == Self.authenticated)
        #expect(
            bench.ask(
                #"{"action":"subscribe","trades":["AAPL"],"quotes":["KO","AAPL"],"bars":["*"]}"#,
                of: number)
                == #"[{"T":"subscription","trades":["AAPL"],"quotes":["AAPL","KO"],"bars":["*"],"#
                + #""updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"#
                + #""corrections":["AAPL"],"cancelErrors":["AAPL"]}]"#)
        #expect(
            bench.ask(
                #"{"action":"unsubscribe","trades":["AAPL"],"quotes":["KO"]}"#, of: number)
                == #"[{"T":"subscription","trades":[],"quotes":["AAPL"],"bars":["*"],"#
                + #""updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"#
                + #""corrections":[],"cancelErrors":[]}]"#)
        #expect(bench.venue.control("status", now: bench.now) == "ok: 1 connections, 2 streams")
    }

    @Test("the headers of the request authenticate, too")
    func headers() throws {
        var bench = Bench()
        let number = try bench.webSocket("/v1beta1/news", headers: Bench.keys)
        #expect(bench.texts(number).last == Self.authenticated)
        #expect(
            bench.ask(#"{"action":"subscribe","news":["*"]}"#, of: number)
                == #"[{"T":"subscription","news":["*"]}]"#)
    }

    @Test(
        "a request that names no symbol has no answer",
        arguments: [
            #"{"action":"subscribe"}"#, #"{"action":"subscribe","trades":[]}"#,
            #"{"action":"unsubscribe","trades":[],"bars":[]}"#,
        ])
    func empty(_ request: String) throws {
        var bench = Bench()
        let number = try bench.client()
        #expect(bench.ask(request, of: number).isEmpty)
        #expect(
            bench.ask(#"{"action":"subscribe","trades":["KO"],"bars":[]}"#, of: number)
                .contains(#""trades":["KO"]"#))
    }

    @Test(
        "what is wrong has its code",
        arguments: [
            ("{", 400), ("{}", 400), (#"{"action":"dance"}"#, 400),
            (#"{"action":"subscribe","trades":"AAPL"}"#, 400),
            (#"{"action":"subscribe","trades":["aapl"]}"#, 400),
            (#"{"action":"subscribe","news":["*"]}"#, 410),
            (#"{"action":"subscribe","corrections":["*"]}"#, 410),
            (#"{"action":"subscribe","trades":["A","B","C"]}"#, 405), (Self.auth, 403),
        ])
    func wrong(_ request: String, _ code: Int) throws {
        var bench = Bench(settings: { $0.symbolLimit = 2 })
        let number = try bench.client()
        let answer = try JSONValue.parse(bench.ask(request, of: number)).array?.first
        #expect(answer?["T"]?.string == "error" && answer?["code"]?.int == code)
        #expect(!bench.venue.isOver(number))
        // Nothing has changed.
        let list = bench.ask(#"{"action":"unsubscribe","trades":["KO"]}"#, of: number)
        #expect(list.hasPrefix(#"[{"T":"subscription","trades":[],"#))
    }

    @Test("without a key there is nothing: 401, 402, and after ten seconds 404 and the end")
    func keys() throws {
        var bench = Bench()
        let number = try bench.webSocket("/v2/sip")
        _ = bench.take(number)
        #expect(bench.ask(#"{"action":"subscribe"}"#, of: number).contains("401"))
        #expect(bench.ask(#"{"action":"auth","key":"x","secret":"y"}"#, of: number).contains("402"))
        bench.pass(milliseconds: 9_900)
        #expect(bench.take(number).isEmpty)
        bench.pass(milliseconds: 200)
        #expect(bench.texts(number).last?.contains("404") == true)
        #expect(bench.venue.isOver(number))
    }

    @Test("an account without the right to a feed gets 409, one with an expired key 402")
    func rights() throws {
        var bench = Bench(settings: { $0.hasSIP = false })
        let number = try bench.webSocket("/v2/sip", headers: Bench.keys)
        #expect(bench.texts(number).last?.contains("409") == true)
        let other = try bench.webSocket("/v2/iex")
        #expect(bench.venue.control("expire", now: bench.now) == "ok")
        #expect(bench.ask(Self.auth, of: other).contains("402"))
        #expect(bench.venue.control("renew", now: bench.now) == "ok")
        #expect(bench.ask(Self.auth, of: other) == Self.authenticated)
    }

    @Test("a new key counts from then on, and that of before is refused")
    func newKey() throws {
        var bench = Bench()
        #expect(bench.venue.control("renew 7", now: bench.now) == "ok")
        #expect(bench.venue.control("renew 7 8", now: bench.now) != "ok")
        let number = try bench.webSocket("/v2/sip")
        #expect(bench.ask(Self.auth, of: number).contains("402"))
        let new = Self.auth.replacing("test-key", with: "test-key-7")
            .replacing("test-secret", with: "test-secret-7")
        #expect(bench.ask(new, of: number) == Self.authenticated)
    }

    @Test("one session per endpoint; one that ended uncleanly counts until its time is over")
    func hold() throws {
        var bench = Bench(settings: { $0.holdSeconds = 30 })
        let first = try bench.client()
        let second = try bench.webSocket("/v2/sip", headers: Bench.keys)
        #expect(bench.texts(second).last == Self.held && bench.venue.isOver(second))
        bench.venue.closed(second)
        // Another endpoint is another account of sessions.
        #expect(try bench.texts(bench.webSocket("/v2/iex", headers: Bench.keys)).count == 2)
        bench.venue.closed(first)
        bench.pass(milliseconds: 29_000)
        let early = try bench.webSocket("/v2/sip", headers: Bench.keys)
        #expect(bench.texts(early).last == Self.held)
        bench.pass(milliseconds: 2_000)
        let late = try bench.webSocket("/v2/sip", headers: Bench.keys)
        #expect(bench.texts(late).last == Self.authenticated)
        // A close from either side ends a session cleanly.
        bench.send([0x03, 0xe8], 8, to: late)
        bench.venue.closed(late)
        let next = try bench.webSocket("/v2/sip", headers: Bench.keys)
        #expect(bench.texts(next).last == Self.authenticated)
        #expect(bench.venue.control("cut", now: bench.now) == "ok")
        bench.venue.closed(next)
        #expect(
            try bench.texts(bench.webSocket("/v2/sip", headers: Bench.keys)).last == Self.held)
        #expect(bench.venue.control("release", now: bench.now) == "ok")
        #expect(
            try bench.texts(bench.webSocket("/v2/sip", headers: Bench.keys)).last
                == Self.authenticated)
    }

    @Test("errors on command reach every client once, and commands that are none are refused")
    func commands() throws {
        var bench = Bench()
        let number = try bench.client()
        #expect(bench.venue.control("error 407", now: bench.now) == "ok")
        bench.pass(milliseconds: 10)
        #expect(bench.texts(number) == [#"[{"T":"error","code":407,"msg":"slow client"}]"#])
        bench.pass(milliseconds: 10)
        #expect(bench.texts(number).isEmpty)
        // Who comes later gets nothing of it.
        let later = try bench.webSocket("/v2/iex", headers: Bench.keys)
        bench.pass(milliseconds: 10)
        #expect(!bench.texts(later).contains { $0.contains("407") })
        for wrong in ["error", "error 999", "lose", "lose 0", "expire 1", "dance"] {
            #expect(bench.venue.control(wrong, now: bench.now).hasPrefix("error: not understood"))
        }
        #expect(bench.venue.control("bad-json", now: bench.now) == "ok")
        #expect(bench.texts(number) == [#"[{"T":"t","S":""#])
    }

    @Test("an address that is none is answered by 404")
    func addresses() {
        var bench = Bench()
        let number = bench.connect(ClientBytes.upgrade("/v2/otc"))
        #expect(String(decoding: bench.take(number), as: UTF8.self).hasPrefix("HTTP/1.1 404"))
        #expect(bench.venue.isOver(number))
    }
}
