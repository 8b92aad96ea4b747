import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

@Suite("The streams of the simulated exchange")
struct StreamTests {
    @Test("a client gets the trades of its streams, each id once, and the logs have them")
    func trades() throws {
        var bench = Bench()
        let number = try bench.webSocket("/ws/btcusdt@trade")
        bench.pass(milliseconds: 1_000)
        let ids = try Bench.ids(bench.texts(number))
        #expect((98...102).contains(ids.count))
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 + 1 == $1 })
        let sent = try Bench.lines(bench.venue.takeTruth())
        #expect(
            sent.compactMap { $0["id"]?.uint64 } == ids
                && sent.first?["kind"]?.string == "http")
        let happened = try Bench.lines(bench.venue.takeMarketLog())
        #expect(
            happened.filter { $0["symbol"]?.string == "BTCUSDT" }.compactMap { $0["id"]?.uint64 }
                == ids)
        #expect(happened.count > ids.count + 90)
    }

    @Test("a combined stream wraps events with the names of their streams")
    func combined() throws {
        var bench = Bench()
        let number = try bench.webSocket("/stream?streams=btcusdt@trade/ethusdt@trade")
        bench.pass(milliseconds: 1_000)
        let events = try bench.texts(number).map { try JSONValue.parse($0) }
        #expect(Set(events.compactMap { $0["stream"]?.string }).count == 2)
        #expect(events.allSatisfy { $0.at("data", "e")?.string == "trade" })
    }

    @Test("requests change the streams and are answered as documented")
    func requests() throws {
        var bench = Bench()
        let number = try bench.webSocket("/ws")
        func answer(_ request: String, in bench: inout Bench) -> String? {
            bench.pass(milliseconds: 1_000)
            _ = bench.take(number)
            bench.send(request, to: number)
            return bench.texts(number).first
        }
        let subscribe = #"{"method":"SUBSCRIBE","params":["btcusdt@trade","x@kline_1m"],"id":1}"#
        #expect(answer(subscribe, in: &bench) == #"{"result":null,"id":1}"#)
        #expect(
            answer(#"{"method":"LIST_SUBSCRIPTIONS","id":"q"}"#, in: &bench)
                == #"{"result":["btcusdt@trade","x@kline_1m"],"id":"q"}"#)
        bench.pass(milliseconds: 100)
        #expect(bench.texts(number).first?.hasPrefix(#"{"e":"trade""#) == true)
        #expect(
            answer(#"{"method":"SET_PROPERTY","params":["combined",true],"id":3}"#, in: &bench)
                == #"{"result":null,"id":3}"#)
        #expect(
            answer(#"{"method":"GET_PROPERTY","params":["combined"],"id":4}"#, in: &bench)
                == #"{"result":true,"id":4}"#)
        let end = #"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":5}"#
        #expect(answer(end, in: &bench) == #"{"result":null,"id":5}"#)
        bench.pass(milliseconds: 1_000)
        #expect(bench.texts(number).isEmpty)
        for (request, refusal) in [
            ("{", #"{"code":3"#), ("{}", #"{"code":2"#), (#"{"method":"A","id":1}"#, "`A`"),
            (#"{"method":"SUBSCRIBE","params":[1],"id":1}"#, "list of streams"),
            (#"{"method":"SET_PROPERTY","params":["a",true],"id":1}"#, "unknown property"),
        ] {
            #expect(answer(request, in: &bench)?.contains(refusal) == true)
        }
    }

    @Test("streams beyond the limit are refused, in an address and in a request")
    func tooManyStreams() throws {
        var bench = Bench()
        let names = (0...1_024).map { "s\($0)@trade" }
        let refused = bench.connect(
            ClientBytes.upgrade("/stream?streams=" + names.joined(separator: "/")))
        #expect(String(decoding: bench.take(refused), as: UTF8.self).hasPrefix("HTTP/1.1 400"))
        #expect(bench.venue.isOver(refused))
        let number = try bench.webSocket("/ws/" + names.dropLast().joined(separator: "/"))
        bench.send(#"{"method":"SUBSCRIBE","params":["x@trade"],"id":1}"#, to: number)
        #expect(bench.texts(number).first?.contains("too many streams") == true)
    }

    @Test("an address that is none is answered by 404, an upgrade without a key by 400")
    func addresses() {
        var bench = Bench()
        let other = bench.connect(ClientBytes.upgrade("/other"))
        #expect(String(decoding: bench.take(other), as: UTF8.self).hasPrefix("HTTP/1.1 404"))
        let keyless = bench.connect(
            "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Version: 13\r\n\r\n")
        #expect(String(decoding: bench.take(keyless), as: UTF8.self).hasPrefix("HTTP/1.1 400"))
        let wrong = bench.connect("nonsense\r\n\r\n")
        #expect(String(decoding: bench.take(wrong), as: UTF8.self).hasPrefix("HTTP/1.1 400"))
        #expect(bench.venue.isOver(wrong))
    }

    @Test("pings come in time; a client without a pong, a talkative and an old one are closed")
    func life() throws {
        var bench = Bench(rate: 0) { $0.lifetimeSeconds = 300 }
        let silent = try bench.webSocket("/ws")
        let good = try bench.webSocket("/ws")
        let talker = try bench.webSocket("/ws")
        for _ in 0..<5 { bench.send("", 9, to: talker) }
        #expect(bench.frames(talker).map(\.kind) == [.pong, .pong, .pong, .pong, .pong])
        bench.send("", 9, to: talker)
        #expect(bench.frames(talker).first?.payload.prefix(2) == [0x03, 0xf0])
        #expect(bench.venue.isOver(talker))
        for _ in 0..<15 {
            bench.pass(milliseconds: 20_000)
            let frames = bench.frames(good)
            if frames.first?.kind == .ping { bench.send("x", 10, to: good) }
        }
        #expect(bench.frames(silent).map(\.kind) == [.ping, .ping, .ping, .close])
        #expect(bench.venue.isOver(silent))
        #expect(bench.venue.isOver(good))
    }

    @Test("pings of a client are no pongs; where no ping was sent, no pong is missed")
    func pongs() throws {
        var bench = Bench(rate: 0)
        let pinger = try bench.webSocket("/ws")
        let muted = try bench.webSocket("/ws")
        let answer = bench.venue.control("mute 120", now: bench.now)
        #expect(answer == "ok")
        let late = try bench.webSocket("/ws")
        for _ in 0..<5 {
            bench.pass(milliseconds: 20_000)
            bench.send("", 9, to: pinger)
            bench.send("", 9, to: late)
        }
        #expect(!bench.venue.isOver(muted) && !bench.venue.isOver(pinger))
        #expect(bench.frames(late).contains { $0.kind == .close })
    }

    @Test("requests whose answers nobody reads end the connection")
    func unread() {
        var bench = Bench(symbols: ["BTCUSDT"], rate: 2_000)
        bench.pass(milliseconds: 5_000)
        let number = bench.connect()
        let request = "GET /api/v3/trades?symbol=BTCUSDT&limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"
        bench.venue.received(
            Array(String(repeating: request, count: 2_000).utf8), from: number, now: bench.now)
        #expect(bench.venue.isOver(number))
    }

    @Test("pieces out of order end the connection", arguments: [[UInt8(0x80)], [0x01, 0x81]])
    func pieces(_ heads: [UInt8]) throws {
        var bench = Bench(rate: 0)
        let number = try bench.webSocket("/ws")
        for head in heads {
            var bytes = ClientBytes.masked(Array("{}".utf8))
            bytes[0] = head
            bench.venue.received(bytes, from: number, now: bench.now)
        }
        #expect(bench.frames(number).first?.payload.prefix(2) == [0x03, 0xea])
        #expect(bench.venue.isOver(number))
    }

    @Test("a client's close is answered, and a message in pieces is one request")
    func closeAndPieces() throws {
        var bench = Bench(rate: 0)
        let number = try bench.webSocket("/ws")
        var bytes = ClientBytes.masked(Array(#"{"method":"LIST_SUB"#.utf8))
        bytes[0] = 0x01
        bytes += ClientBytes.masked(Array(#"SCRIPTIONS","id":1}"#.utf8), 0)
        for byte in bytes { bench.venue.received([byte], from: number, now: bench.now) }
        #expect(bench.texts(number) == [#"{"result":[],"id":1}"#])
        bench.send("", 8, to: number)
        #expect(bench.frames(number) == [.close(1_000)])
        #expect(bench.venue.isOver(number))
    }

    @Test("connections beyond the limit are refused")
    func connections() {
        var bench = Bench(rate: 0)
        for _ in 0..<WebLimits.connectionsMax { _ = bench.connect() }
        let isOpen = bench.venue.opened(1_000, now: bench.now)
        #expect(!isOpen)
    }

    @Test("a client that does not read is disconnected")
    func slow() throws {
        var bench = Bench(symbols: ["BTCUSDT"], rate: 20_000)
        let number = try bench.webSocket("/ws/btcusdt@trade")
        for _ in 0..<10 where !bench.venue.isOver(number) { bench.pass(milliseconds: 1_000) }
        #expect(bench.venue.isOver(number))
    }
}
