import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import AlpacaSimulator

@Suite("The streams of the simulated Alpaca")
struct StreamTests {
    private static let all =
        #"{"action":"subscribe","trades":["*"],"quotes":["*"],"bars":["*"],"updatedBars":["*"],"#
        + #""dailyBars":["*"],"statuses":["*"]}"#

    private static let minuteBefore: JSONValue = .string("2023-11-14T22:12:00Z")

    /// Lets time pass and returns all messages.
    private func run(_ bench: inout Bench, _ number: Int, seconds: Int) throws -> [JSONValue] {
        var messages: [JSONValue] = []
        for _ in 0..<seconds * 4 {
            bench.pass(milliseconds: 250)
            messages += try bench.messages(number)
        }
        return messages
    }

    @Test("a client gets all records of its subscription once, and both logs have them")
    func complete() throws {
        var bench = Bench(rarities: {
            $0.correction = 20
            $0.cancel = 25
            $0.late = 30
        })
        let number = try bench.client()
        _ = bench.ask(Self.all, of: number)
        let messages = try run(&bench, number, seconds: 100)
        let happened = try Bench.lines(bench.venue.takeMarketLog())
        let seen = happened.filter { line in
            line["endpoints"]?.array?.contains(.string("/v2/sip")) == true
        }
        #expect(messages == seen.compactMap { $0["message"] })
        let truth = try Bench.lines(bench.venue.takeTruth()).filter { $0["record"] != nil }
        #expect(truth.compactMap { $0["record"] } == seen.compactMap { $0["record"] })
        #expect(truth.compactMap { $0["message"] } == messages)
        let numbers = happened.compactMap { $0["record"]?.int }
        #expect(numbers == Array(1...happened.count))
        let kinds = Set(happened.compactMap { $0["kind"]?.string })
        #expect(
            kinds == [
                "trade", "quote", "correction", "cancel", "bar", "updated_bar", "daily_bar", "news",
            ])
    }

    @Test("logs that nobody asked for are not kept")
    func noLogs() throws {
        var bench = Bench(settings: { $0.web = WebSettings() })
        let number = try bench.client()
        _ = bench.ask(Self.all, of: number)
        #expect(try !run(&bench, number, seconds: 2).isEmpty)
        #expect(bench.venue.takeMarketLog().isEmpty && bench.venue.takeTruth().isEmpty)
    }

    @Test("IEX has the trades and quotes of one exchange, and bars of its own")
    func iex() throws {
        var bench = Bench()
        let number = try bench.client("/v2/iex")
        _ = bench.ask(Self.all, of: number)
        let messages = try run(&bench, number, seconds: 65)
        for message in messages {
            if message["T"]?.string == "t" { #expect(message["x"]?.string == "V") }
            if message["T"]?.string == "q" {
                #expect(message["bx"]?.string == "V" && message["ax"]?.string == "V")
            }
        }
        let bars = messages.filter { $0["T"]?.string == "b" }
        #expect(bars.count == 2 && bars.allSatisfy { ($0["n"]?.int ?? 0) < 400 })
    }

    @Test("an id is distinct for a symbol, an exchange and a day, and small")
    func ids() throws {
        var bench = Bench(symbols: ["AAPL"], rarities: { $0.late = 0 })
        let number = try bench.client()
        _ = bench.ask(#"{"action":"subscribe","trades":["AAPL"]}"#, of: number)
        let trades = try run(&bench, number, seconds: 30).filter { $0["T"]?.string == "t" }
        let keys = trades.map { "\($0["x"]?.string ?? "") \($0["i"]?.int ?? 0)" }
        #expect(Set(keys).count == trades.count && trades.count > 1_000)
        #expect(Set(trades.compactMap { $0["i"]?.int }).count < trades.count / 3)
        #expect(trades.allSatisfy { ($0["i"]?.int ?? 0) < 4_000_000 })
    }

    @Test("facilities outside of exchanges have ids of their own, which no message tells apart")
    func sharedIDs() throws {
        var bench = Bench(
            symbols: ["AAPL"],
            rarities: {
                $0.late = 0
                $0.facilities = 2
            })
        let number = try bench.client()
        _ = bench.ask(#"{"action":"subscribe","trades":["AAPL"]}"#, of: number)
        let trades = try run(&bench, number, seconds: 30).filter { $0["T"]?.string == "t" }
        for exchange in ["V", "K", "Q", "D"] {
            let own = trades.filter { $0["x"]?.string == exchange }.compactMap { $0["i"]?.int }
            let counts = Dictionary(grouping: own) { $0 }.values.map(\.count)
            let isOutside = exchange == "D"
            let shared = counts.count { $0 == 2 }
            #expect((shared > 50) == isOutside && counts.allSatisfy { $0 <= 2 })
            #expect(counts.contains(1) && own.count > 250)
        }
    }

    @Test("a correction and a cancellation name a trade that came before")
    func changes() throws {
        var bench = Bench(
            symbols: ["AAPL"],
            rarities: {
                $0.correction = 10
                $0.cancel = 10
                $0.late = 5
            })
        let number = try bench.client()
        _ = bench.ask(#"{"action":"subscribe","trades":["AAPL"]}"#, of: number)
        // Changes of trades from before the start come first.
        _ = try run(&bench, number, seconds: 50)
        let messages = try run(&bench, number, seconds: 50)
        var before: [String: JSONValue] = [:]
        var changes = 0
        for message in messages {
            let exchange = message["x"]?.string ?? ""
            let type = message["T"]?.string ?? ""
            guard type != "t" else {
                before["\(exchange) \(message["i"]?.int ?? 0)"] = message
                continue
            }
            let id = message[type == "c" ? "oi" : "i"]?.int ?? 0
            guard let trade = before["\(exchange) \(id)"] else { continue }
            changes += 1
            if type == "c" {
                #expect(trade["p"] == message["op"] && trade["s"] == message["os"])
                #expect(message["ci"] != message["oi"] && message["cp"] != message["op"])
            } else {
                #expect(type == "x" && trade["p"] == message["p"] && trade["s"] == message["s"])
                #expect(["C", "E"].contains(message["a"]?.string))
            }
        }
        #expect(changes > 100)
    }

    @Test("a bar comes at the end of its minute, again if late trades changed it, and the day's")
    func bars() throws {
        var bench = Bench(symbols: ["AAPL"], rarities: { $0.late = 20 })
        let number = try bench.client()
        _ = bench.ask(
            #"{"action":"subscribe","bars":["AAPL"],"updatedBars":["*"],"dailyBars":["*"]}"#,
            of: number)
        let messages = try run(&bench, number, seconds: 240)
        let bars = messages.filter { $0["T"]?.string == "b" }
        let days = messages.filter { $0["T"]?.string == "d" }
        // The first update may be of the minute before the start.
        let updates = messages.filter { $0["T"]?.string == "u" && $0["t"] != Self.minuteBefore }
        #expect(bars.count == 4 && days.count == 4 && (3...4).contains(updates.count))
        #expect(bars.first?["t"]?.string == "2023-11-14T22:13:00Z")
        #expect(days.first?["t"]?.string == "2023-11-14T05:00:00Z")
        #expect(days.last?["n"]?.int == bars.reduce(0) { $0 + ($1["n"]?.int ?? 0) })
        for update in updates {
            let bar = bars.first { $0["t"] == update["t"] }
            #expect(bar != nil && bar != update)
            #expect((update["n"]?.int ?? 0) > (bar?["n"]?.int ?? 0))
        }
    }

    @Test("a halt is announced, no trade happens in it, and trading resumes")
    func halts() throws {
        var bench = Bench(
            symbols: ["AAPL"],
            rarities: {
                $0.haltSeconds = 60
                $0.late = 0
            })
        let number = try bench.client()
        _ = bench.ask(#"{"action":"subscribe","trades":["*"],"statuses":["*"]}"#, of: number)
        let messages = try run(&bench, number, seconds: 180)
        let codes = messages.filter { $0["T"]?.string == "s" }.compactMap { $0["sc"]?.string }
        #expect(codes.count >= 5 && zip(codes, codes.dropFirst()).allSatisfy { $0 != $1 })
        var isHalted: Bool?
        for message in messages {
            if let code = message["sc"]?.string { isHalted = code == "H" }
            if message["T"]?.string == "t" { #expect(isHalted != true) }
        }
    }

    @Test("the delayed feed has what the other one had a quarter of an hour before")
    func delayed() throws {
        var bench = Bench(symbols: ["AAPL"], rarities: { $0.late = 0 })
        let number = try bench.client("/v2/delayed_sip")
        _ = bench.ask(#"{"action":"subscribe","trades":["*"]}"#, of: number)
        bench.pass(milliseconds: 10_000)
        let trades = try bench.messages(number).filter { $0["T"]?.string == "t" }
        #expect(trades.count > 50)
        let times = trades.compactMap { $0["t"]?.string.flatMap { ISOTime.parse($0) } }
        #expect(times.allSatisfy { bench.now.nanoseconds(since: $0) >= 900_000_000_000 })
        #expect(times.allSatisfy { bench.now.nanoseconds(since: $0) < 920_000_000_000 })
    }

    @Test("crypto, news and the endpoint for tests have their own messages")
    func others() throws {
        var bench = Bench()
        let coins = try bench.client("/v1beta3/crypto/us")
        let news = try bench.client("/v1beta1/news")
        let test = try bench.client("/v2/test")
        let request = #"{"action":"subscribe","trades":["*"],"quotes":["*"]}"#
        _ = bench.ask(request, of: coins)
        _ = bench.ask(request, of: test)
        _ = bench.ask(#"{"action":"subscribe","news":["*"]}"#, of: news)
        bench.pass(milliseconds: 10_000)
        bench.pass(milliseconds: 10_000)
        let trades = try bench.messages(coins)
        #expect(trades.contains { $0["tks"] != nil && $0["S"]?.string == "BTC/USD" })
        #expect(trades.allSatisfy { $0["x"] == nil && $0["z"] == nil })
        #expect(try bench.messages(test).allSatisfy { $0["S"]?.string == "FAKEPACA" })
        let article = try #require(try bench.messages(news).first)
        #expect(article["T"]?.string == "n" && article["headline"]?.string != nil)
    }

    @Test("MessagePack has the same records as JSON, with times and numbers of its own")
    func messagePack() throws {
        var bench = Bench(settings: { $0.sessionsMax = 2 })
        let plain = try bench.client()
        var headers = Bench.keys
        headers["Content-Type"] = "application/msgpack"
        let packed = try bench.webSocket("/v2/sip", headers: headers)
        #expect(bench.frames(packed).last?.payload.prefix(4) == [0x91, 0x82, 0xa1, 0x54])
        // {"action": "subscribe", "trades": ["*"]}
        var request: [UInt8] = []
        MessagePack.appendMap(2, to: &request)
        for text in ["action", "subscribe", "trades"] { MessagePack.append(text, to: &request) }
        MessagePack.appendArray(1, to: &request)
        MessagePack.append("*", to: &request)
        bench.send(request, 2, to: packed)
        _ = bench.ask(#"{"action":"subscribe","trades":["*"]}"#, of: plain)
        #expect(bench.frames(packed).first?.kind == .binary)
        bench.pass(milliseconds: 1_000)
        let frames = bench.frames(packed)
        let messages = try bench.messages(plain)
        #expect(frames.allSatisfy { $0.kind == .binary } && messages.count > 30)
        #expect(frames.first?.payload.first == 0xdc)
        // The keys of the first message: T, S, i, x, p, s, c, z, t.
        #expect(frames.first?.payload.dropFirst(3).first == 0x89)
    }

    @Test("lost records are in the market log, and nobody gets them")
    func lose() throws {
        var bench = Bench(symbols: ["AAPL"])
        let number = try bench.client()
        _ = bench.ask(Self.all, of: number)
        #expect(bench.venue.control("lose 5", now: bench.now) == "ok")
        bench.pass(milliseconds: 1_000)
        let sent = try bench.messages(number)
        let seen = try Bench.lines(bench.venue.takeMarketLog()).filter {
            $0["endpoints"]?.array?.contains(.string("/v2/sip")) == true
        }
        #expect(sent == seen.dropFirst(5).compactMap { $0["message"] })
    }
}
