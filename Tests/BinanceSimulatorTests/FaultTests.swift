import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

@Suite("Faults of the simulated exchange")
struct FaultTests {
    /// An exchange with one client, after its first trades.
    private func stage() throws -> (Bench, Int) {
        var bench = Bench(symbols: ["BTCUSDT"], rate: 100)
        let number = try bench.webSocket("/ws/btcusdt@trade")
        bench.pass(milliseconds: 1_000)
        _ = bench.take(number)
        return (bench, number)
    }

    private func tell(_ bench: inout Bench, _ command: String) {
        #expect(bench.venue.control(command, now: bench.now) == "ok")
    }

    @Test("cut closes at once, and what is queued is lost")
    func cut() throws {
        let (start, number) = try stage()
        var bench = start
        bench.pass(milliseconds: 100)
        tell(&bench, "cut")
        #expect(bench.take(number).isEmpty && bench.venue.isOver(number))
    }

    @Test("with one before it, a command disturbs the oldest connection alone")
    func oldest() throws {
        let (start, number) = try stage()
        var bench = start
        let other = try bench.webSocket("/ws/btcusdt@trade")
        tell(&bench, "one cut")
        bench.pass(milliseconds: 100)
        #expect(bench.venue.isOver(number) && !bench.venue.isOver(other))
        tell(&bench, "one cut")
        #expect(bench.venue.isOver(other))
    }

    @Test("truncate sends half of a trade, which the log does not have")
    func truncate() throws {
        let (start, number) = try stage()
        var bench = start
        _ = bench.venue.takeTruth()
        tell(&bench, "truncate")
        bench.pass(milliseconds: 100)
        let bytes = bench.take(number)
        #expect(!bytes.isEmpty && ClientBytes.frames(bytes).isEmpty)
        #expect(bench.venue.isOver(number) && bench.venue.takeTruth().isEmpty)
    }

    @Test("a mute exchange answers pings alone, until its time is over")
    func mute() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "mute 3")
        bench.pass(milliseconds: 2_000)
        bench.send(#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#, to: number)
        bench.send("a", 9, to: number)
        #expect(bench.frames(number).map(\.kind) == [.pong])
        bench.pass(milliseconds: 2_000)
        #expect(!bench.texts(number).isEmpty)
        // It affects the connections of its moment.
        tell(&bench, "mute")
        let later = try bench.webSocket("/ws/btcusdt@trade")
        bench.pass(milliseconds: 1_000)
        #expect(bench.texts(number).isEmpty && !bench.texts(later).isEmpty)
    }

    @Test("a half-open connection does nothing any more, and stays")
    func halfOpen() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "half-open")
        bench.send("a", 9, to: number)
        bench.pass(milliseconds: 100_000)
        #expect(bench.take(number).isEmpty && !bench.venue.isOver(number))
    }

    @Test("garbage is no frame, bad JSON no document, and an oversized text as large as asked")
    func garbage() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "garbage 64")
        let garbage = bench.take(number)
        #expect(garbage.count == 64 && garbage.allSatisfy { $0 >= 0xf0 })
        tell(&bench, "bad-json")
        #expect(bench.texts(number) == [#"{"e":"trade","s":""#])
        tell(&bench, "oversized 2000000")
        #expect(bench.frames(number).first?.payload.count == 2_000_000)
    }

    @Test("lost trades are missing in the ids, and the market log has them")
    func lose() throws {
        let (start, number) = try stage()
        var bench = start
        _ = bench.venue.takeMarketLog()
        bench.pass(milliseconds: 100)
        let before = try Bench.ids(bench.texts(number))
        tell(&bench, "lose 5")
        bench.pass(milliseconds: 200)
        let after = try Bench.ids(bench.texts(number))
        #expect(try #require(after.first) == #require(before.last) + 6)
        let lines = bench.venue.takeMarketLog().split(separator: UInt8(ascii: "\n"))
        #expect(lines.count == before.count + 5 + after.count)
    }

    @Test("a shutdown is announced, and the connection ends later; a new one goes on")
    func shutdown() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "shutdown 2")
        let other = try bench.webSocket("/ws/btcusdt@trade")
        let event = bench.texts(number).first { $0.contains("serverShutdown") }
        #expect(event?.hasPrefix(#"{"e":"serverShutdown","E":17"#) == true)
        bench.pass(milliseconds: 1_900)
        #expect(!bench.texts(number).isEmpty && !bench.venue.isOver(number))
        bench.pass(milliseconds: 200)
        #expect(bench.frames(number).last?.kind == .close && bench.venue.isOver(number))
        #expect(!bench.texts(other).isEmpty && !bench.venue.isOver(other))
    }

    @Test("an exchange that is down refuses connections until its time is over")
    func down() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "down 3")
        #expect(bench.venue.isOver(number))
        let early = bench.venue.opened(90, now: bench.now)
        bench.pass(milliseconds: 3_000)
        let late = bench.venue.opened(90, now: bench.now)
        #expect(!early && late)
    }

    @Test("close has the code that is asked for")
    func close() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "close 1008")
        #expect(bench.frames(number) == [.close(1_008)])
    }

    @Test("status, quit and crash; and lines that are no command")
    func others() throws {
        var bench = try stage().0
        #expect(bench.venue.control("status", now: bench.now) == "ok: 1 connections, 1 streams")
        for wrong in [
            "", "cute", "cut 1", "one", "one lose 1", "one one cut", "lose", "lose 0", "mute x",
            "close 99", "limit 1 2 3", "fail 1 200", "late 1", "slow", "refuse 1",
            "garbage 99999999999",
        ] {
            let answer = bench.venue.control(wrong, now: bench.now)
            #expect(answer.hasPrefix("error: not understood"), "\(wrong)")
        }
        tell(&bench, "quit")
        tell(&bench, "crash")
        #expect(bench.venue.isEnding && bench.venue.isCrashing)
    }

    @Test("a slow exchange sends everything late, and loses nothing")
    func slow() throws {
        let (start, number) = try stage()
        var bench = start
        tell(&bench, "slow 3")
        bench.pass(milliseconds: 2_900)
        #expect(bench.take(number).isEmpty)
        bench.pass(milliseconds: 200)
        let ids = try Bench.ids(bench.texts(number))
        #expect(ids.count > 300 && zip(ids, ids.dropFirst()).allSatisfy { $0 + 1 == $1 })
    }

    @Test("requests fail, are answered by half, and late")
    func requests() throws {
        var bench = try stage().0
        tell(&bench, "fail 1")
        #expect(try bench.get("/api/v3/time").head.hasPrefix("HTTP/1.1 500"))
        tell(&bench, "fail 1 503")
        #expect(try bench.get("/api/v3/time").head.hasPrefix("HTTP/1.1 503"))
        tell(&bench, "halve 1")
        #expect(try bench.text("/api/v3/time").body == #"{"serverTime":"#)
        tell(&bench, "late 1 2")
        let late = bench.connect("GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(bench.take(late).isEmpty)
        bench.pass(milliseconds: 2_000)
        #expect(!bench.take(late).isEmpty)
        #expect(try bench.get("/api/v3/time").head.hasPrefix("HTTP/1.1 200"))
    }

    @Test("WebSockets are refused by a status, and requests are not")
    func refuse() throws {
        var bench = try stage().0
        tell(&bench, "refuse 1 451")
        let head = "GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\n"
        let upgrade =
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        for status in ["451", "101"] {
            let number = bench.connect(head + upgrade)
            let answer = String(decoding: bench.take(number), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "\(answer)")
        }
    }

    @Test("requests are limited and banned as the exchange does")
    func limits() throws {
        var bench = try stage().0
        tell(&bench, "limit 2 7")
        let limited = try bench.get("/api/v3/time")
        #expect(limited.head.hasPrefix("HTTP/1.1 429") && limited.head.contains("Retry-After: 7"))
        #expect(limited.body["code"]?.int == -1_003)
        _ = try bench.get("/api/v3/time")
        #expect(try bench.get("/api/v3/time").head.hasPrefix("HTTP/1.1 200"))
        tell(&bench, "limit 1")
        #expect(try !bench.get("/api/v3/time").head.contains("Retry-After"))
        tell(&bench, "ban 3")
        let banned = try bench.get("/api/v3/time")
        #expect(banned.head.hasPrefix("HTTP/1.1 418") && banned.head.contains("Retry-After: "))
        bench.pass(milliseconds: 3_000)
        #expect(try bench.get("/api/v3/time").head.hasPrefix("HTTP/1.1 200"))
    }
}
