import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import MassiveSimulator

@Suite("Sessions of the simulated Massive")
struct SessionTests {
    private static func status(_ status: String, _ message: String) -> String {
        #"{"ev":"status","status":"\#(status)","message":"\#(message)"}"#
    }

    private static let authenticated = "[\(status("auth_success", "authenticated"))]"

    private static func subscribe(_ params: String, _ action: String = "subscribe") -> String {
        #"{"action":"\#(action)","params":"\#(params)"}"#
    }

    @Test("a client is greeted, authenticates, and is told each subscription that is new")
    func life() throws {
        var bench = Bench()
        let number = try bench.webSocket("/stocks")
        #expect(
            bench.texts(number) == ["[\(Self.status("connected", "Connected Successfully"))]"])
        #expect(bench.ask(Bench.auth, of: number) == Self.authenticated)
        let both =
            Self.status("success", "subscribed to: T.AAPL") + ","
            + Self.status("success", "subscribed to: AM.*")
        #expect(bench.ask(Self.subscribe("T.AAPL, AM.*"), of: number) == "[\(both)]")
        // Nothing is said about what it had, and about a channel that there is not.
        #expect(bench.ask(Self.subscribe("T.AAPL,ZZ.AAPL,nothing"), of: number).isEmpty)
        #expect(bench.ask(Self.subscribe("T.NONE"), of: number).contains("subscribed to: T.NONE"))
        #expect(bench.venue.control("status", now: bench.now) == "ok: 1 connections, 3 streams")
        #expect(
            bench.ask(Self.subscribe("T.AAPL,Q.AAPL", "unsubscribe"), of: number)
                == "[\(Self.status("success", "unsubscribed to: T.AAPL"))]")
    }

    @Test("what is no message, and what comes before the key, is refused")
    func wrong() throws {
        var bench = Bench()
        let number = try bench.webSocket("/stocks")
        _ = bench.take(number)
        for text in ["{", "{}", #"{"action":"dance","params":""}"#, #"{"action":"auth"}"#] {
            #expect(bench.ask(text, of: number) == "[\(Self.status("error", "invalid message"))]")
        }
        for action in ["subscribe", "unsubscribe"] {
            #expect(
                bench.ask(Self.subscribe("T.*", action), of: number)
                    == "[\(Self.status("error", "not authenticated"))]")
        }
        #expect(!bench.venue.isOver(number))
        let other = bench.connect(ClientBytes.upgrade("/options"))
        #expect(String(decoding: bench.take(other), as: UTF8.self).hasPrefix("HTTP/1.1 404"))
    }

    @Test("a wrong key ends the connection without a close, and no key after ten seconds")
    func keys() throws {
        var bench = Bench()
        let number = try bench.webSocket("/stocks")
        _ = bench.take(number)
        bench.send(#"{"action":"auth","params":"x"}"#, to: number)
        let frames = bench.frames(number)
        #expect(frames.map(\.kind) == [.text] && bench.venue.isOver(number))
        #expect(
            frames.first?.payload
                == Array("[\(Self.status("auth_failed", "authentication failed"))]".utf8))
        let late = try bench.webSocket("/stocks")
        _ = bench.take(late)
        bench.pass(milliseconds: 9_900)
        #expect(bench.take(late).isEmpty)
        bench.pass(milliseconds: 200)
        #expect(bench.texts(late).last?.contains("auth_timeout") == true)
        #expect(bench.venue.isOver(late))
    }

    @Test("a plan without streams or without quotes says so, and a key can expire")
    func rights() throws {
        var bench = Bench(settings: { $0.hasStreams = false })
        let number = try bench.webSocket("/stocks")
        #expect(bench.ask(Bench.auth, of: number).contains("doesn't include websocket access"))
        #expect(bench.venue.isOver(number))
        var other = Bench(settings: { $0.hasQuotes = false })
        let client = try other.client()
        let refused =
            Self.status("error", "not authorized") + ","
            + Self.status("success", "subscribed to: T.*")
        #expect(other.ask(Self.subscribe("T.*,Q.*"), of: client) == "[\(refused)]")
        #expect(other.venue.control("expire", now: other.now) == "ok")
        let expired = try other.webSocket("/stocks")
        #expect(other.ask(Bench.auth, of: expired).contains("auth_failed"))
        #expect(other.venue.control("renew", now: other.now) == "ok")
        let renewed = try other.webSocket("/stocks")
        #expect(other.ask(Bench.auth, of: renewed) == Self.authenticated)
    }

    @Test("a session too many ends the oldest, which is told why")
    func sessions() throws {
        var bench = Bench()
        let first = try bench.client()
        let second = try bench.client()
        bench.pass(milliseconds: 10)
        let frames = bench.frames(first)
        #expect(frames.map(\.kind) == [.text, .close] && bench.venue.isOver(first))
        let text = String(decoding: frames.first?.payload ?? [], as: UTF8.self)
        #expect(text.contains(#""status":"max_connections""#) && text.contains("only use 1 "))
        #expect(frames.last?.payload.prefix(2) == [0x03, 0xf0])
        #expect(bench.take(second).isEmpty && !bench.venue.isOver(second))
        // One that has left makes room.
        bench.venue.closed(second)
        let third = try bench.client()
        bench.pass(milliseconds: 10)
        #expect(!bench.venue.isOver(third))
        #expect(bench.venue.control("displace", now: bench.now) == "ok")
        bench.pass(milliseconds: 10)
        #expect(bench.texts(third).last?.contains("max_connections") == true)
        #expect(bench.venue.isOver(third))
    }

    @Test("commands reach every client once, and what is none is refused")
    func commands() throws {
        var bench = Bench()
        let number = try bench.client()
        #expect(bench.venue.control("bad-json", now: bench.now) == "ok")
        #expect(bench.texts(number) == [#"[{"ev":"T","sym":""#])
        #expect(bench.venue.control("shutdown 3", now: bench.now) == "ok")
        #expect(bench.texts(number).last?.contains("force_disconnect") == true)
        bench.pass(milliseconds: 3_100)
        #expect(bench.frames(number).last?.kind == .close)
        let other = try bench.client()
        #expect(bench.venue.control("slow-consumer", now: bench.now) == "ok")
        // Who comes later gets nothing of it.
        let later = try bench.webSocket("/stocks")
        _ = bench.take(later)
        bench.pass(milliseconds: 10)
        #expect(bench.texts(other).last?.contains("slow_consumer") == true)
        #expect(bench.venue.isOver(other) && !bench.venue.isOver(later))
        for wrong in ["lose", "lose 0", "expire 1", "dance", "displace 2"] {
            #expect(bench.venue.control(wrong, now: bench.now).hasPrefix("error: not understood"))
        }
    }

    @Test("subscriptions have a limit")
    func limit() throws {
        var bench = Bench()
        let number = try bench.client()
        for part in 0..<10 {
            let names = (0..<1_000).map { "T.A\(part * 1_000 + $0)" }.joined(separator: ",")
            #expect(bench.ask(Self.subscribe(names), of: number).contains("subscribed to"))
        }
        #expect(bench.ask(Self.subscribe("T.MORE"), of: number).contains("too many"))
        #expect(
            bench.venue.control("status", now: bench.now)
                == "ok: 1 connections, \(MassiveLimits.subscriptionsMax) streams")
    }
}
