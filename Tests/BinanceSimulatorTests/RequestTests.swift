import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

@Suite("The requests that the simulated exchange answers")
struct RequestTests {
    @Test("the trades of a range of ids are those that were sent")
    func history() throws {
        var bench = Bench()
        let number = try bench.webSocket("/ws/btcusdt@trade")
        bench.pass(milliseconds: 2_000)
        let sent = try bench.texts(number).map { try JSONValue.parse($0) }
        let first = try #require(sent.first?["t"]?.uint64)
        let answer = try bench.get(
            "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=\(first)&limit=100")
        let trades = try #require(answer.body.array)
        #expect(trades.count == 100)
        for (trade, event) in zip(trades, sent) {
            #expect(trade["id"] == event["t"] && trade["price"] == event["p"])
            #expect(trade["qty"] == event["q"] && trade["time"] == event["T"])
            #expect(trade["isBuyerMaker"] == event["m"])
        }
    }

    @Test("the address of market data has all but the trades of a range of ids")
    func marketData() throws {
        var bench = Bench()
        for path in ["aggTrades", "klines", "exchangeInfo", "trades", "ping", "time"] {
            let query = path == "klines" ? "symbol=BTCUSDT&interval=1m" : "symbol=BTCUSDT"
            let own = try bench.get("/api/v3/\(path)?\(query)")
            let there = try bench.get("/market-data/api/v3/\(path)?\(query)")
            #expect(own.head == there.head && own.body == there.body, "\(path)")
        }
        let path = "/market-data/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1"
        #expect(try bench.get(path).head.hasPrefix("HTTP/1.1 404"))
        let now = bench.now
        let request = VenueRequest(
            method: "GET", path: "/market-data/api/v3/historicalTrades", query: [:], headers: [:])
        let restricted = ExchangeSite(
            WebSettings(), market: bench.venue.site.market, marketDataStatus: 451)
        let answer = restricted.answer(request, now: now)
        #expect(answer.status == 451)
        #expect(try JSONValue.parse(answer.body)["code"]?.int == 0)
    }

    @Test("without an id the latest trades come, oldest first, and no more than 1,000")
    func latest() throws {
        var bench = Bench()
        let last = bench.venue.site.market.lastID(of: 0, at: bench.now)
        for (path, count) in [
            ("/api/v3/trades?symbol=BTCUSDT", 500),
            ("/api/v3/trades?symbol=BTCUSDT&limit=7", 7),
            ("/api/v3/historicalTrades?symbol=BTCUSDT&limit=5000", 1_000),
        ] {
            let ids = try bench.get(path).body.array?.compactMap { $0["id"]?.uint64 }
            #expect(ids == Array(last + 1 - UInt64(count)...last))
        }
        let later = try bench.get("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=\(last + 1)")
        #expect(later.body == .array([]))
    }

    @Test("aggregates begin at a time or an id, and name their trades")
    func aggregates() throws {
        var bench = Bench()
        let market = bench.venue.site.market
        let last = market.lastID(of: 0, at: bench.now)
        let trade = market.trade(0, last - 500)
        func ids(_ query: String) throws -> [UInt64] {
            let answer = try bench.get("/api/v3/aggTrades?symbol=BTCUSDT&\(query)")
            return answer.body.array?.compactMap { $0["f"]?.uint64 } ?? []
        }
        let at = trade.milliseconds
        let first = try #require(try ids("startTime=\(at)&limit=1").first)
        #expect(market.trade(0, first).milliseconds == at && first <= trade.id)
        #expect(first == 1 || market.trade(0, first - 1).milliseconds < at)
        let between = try ids("startTime=\(at)&endTime=\(at + 99)&limit=1000")
        #expect(between.first == first && between == Array(first..<first + UInt64(between.count)))
        #expect(market.trade(0, first + UInt64(between.count)).milliseconds > at + 99)
        #expect(try ids("fromId=\(last - 1)") == [last - 1, last])
        #expect(try ids("limit=3") == [last - 2, last - 1, last])
        #expect(try ids("startTime=\(bench.now.nanoseconds / 1_000_000 + 1)").isEmpty)
    }

    @Test("bars begin at a time or before one, and are made of the trades")
    func bars() throws {
        var bench = Bench()
        let now = Int(bench.now.nanoseconds / 1_000_000)
        func rows(_ query: String) throws -> [[JSONValue]] {
            let answer = try bench.get("/api/v3/klines?symbol=BTCUSDT&interval=1s&\(query)")
            return answer.body.array?.compactMap(\.array) ?? []
        }
        let start = now - 10_000
        let found = try rows("startTime=\(start - 1)&limit=3")
        #expect(found.compactMap { $0[0].int } == [0, 1, 2].map { start + $0 * 1_000 })
        #expect(found.compactMap { $0[6].int } == [1, 2, 3].map { start + $0 * 1_000 - 1 })
        // The one before, and the present one, which is not over.
        #expect(try rows("endTime=\(start - 1)&limit=1").first?[0].int == start - 1_000)
        #expect(try rows("limit=2").compactMap { $0[0].int } == [now - 1_000, now])
        let bar = try #require(found.first)
        let market = bench.venue.site.market
        let made = market.bar(0, open: Int64(start), length: 1_000, now: bench.now)
        let symbol = market.symbols[0]
        #expect(bar[1...4].compactMap(\.string) == made.prices.map(symbol.priceText))
        #expect(bar[5].string == symbol.quantityText(made.quantity))
        #expect(bar[8].int == made.ids?.count && bar.count == 12)
    }

    @Test("a year of days is answered, and a market has no bar before its first trade")
    func yearOfBars() throws {
        var bench = Bench()
        let day = 86_400_000
        let today = Int(bench.now.nanoseconds / 1_000_000) / day * day
        let year = try bench.get(
            "/api/v3/klines?symbol=ETHUSDT&interval=1d&limit=366&startTime=\(today - 365 * day)")
        #expect(year.body.array?.count == 366)
        #expect(year.body.array?.last?.array?[0].int == today)
        let first = try bench.get("/api/v3/klines?symbol=ETHUSDT&interval=1w&startTime=0&limit=2")
        // The market begins on Wednesday, 1 January 2020, and weeks on Mondays.
        let opens = first.body.array?.compactMap { $0.array?[0].int }
        #expect(opens == [1_577_664_000_000, 1_577_664_000_000 + 7 * day])
    }

    @Test("what a symbol is: its currencies and its steps")
    func exchangeInfo() throws {
        var bench = Bench()
        let all = try bench.get("/api/v3/exchangeInfo").body
        #expect(all["symbols"]?.array?.count == 2 && all["timezone"]?.string == "UTC")
        #expect(all["serverTime"]?.int == 1_700_000_000_000)
        for query in ["symbol=ETHUSDT", "symbols=%5B%22ETHUSDT%22%5D"] {
            let one = try bench.get("/api/v3/exchangeInfo?\(query)").body["symbols"]?.array
            let symbol = try #require(one?.first)
            #expect(one?.count == 1 && symbol["baseAsset"]?.string == "ETH")
            #expect(symbol["quoteAsset"]?.string == "USDT")
            let filters = symbol["filters"]?.array ?? []
            #expect(filters.first?["tickSize"]?.string == "0.01000000")
            #expect(filters.last?["stepSize"]?.string == "0.00010000")
        }
    }

    @Test("time and ping; two requests on one connection; a connection that is closed after one")
    func plain() throws {
        var bench = Bench()
        #expect(try bench.get("/api/v3/ping").body == .object([]))
        let head = "GET /api/v3/time HTTP/1.1\r\nHost: x\r\n"
        let kept = bench.connect("\(head)\r\n\(head)\r\n")
        let text = String(decoding: bench.take(kept), as: UTF8.self)
        #expect(text.split(separator: "HTTP/1.1 200 OK").count == 2)
        #expect(!bench.venue.isOver(kept))
        let last = bench.connect("\(head)Connection: close\r\n\r\n")
        _ = bench.take(last)
        #expect(bench.venue.isOver(last))
    }

    @Test(
        "what is wrong with a request has the exchange's code",
        arguments: [
            ("/api/v3/trades", 400, -1_102), ("/api/v3/trades?symbol=NONE", 400, -1_121),
            ("/api/v3/exchangeInfo?symbol=NONE", 400, -1_121),
            ("/api/v3/trades?symbol=BTCUSDT&limit=x", 400, -1_100),
            ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1_128),
            ("/api/v3/trades?symbol=BTCUSDT&fromId=1", 400, -1_101),
            ("/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, -1_120),
            ("/api/v3/klines?symbol=BTCUSDT&interval=1m&fromId=1", 400, -1_101),
            ("/api/v3/klines?interval=1m", 400, -1_102),
            ("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=0", 400, -1_100),
            ("/api/v3/order", 404, 0),
        ])
    func wrong(_ path: String, _ status: Int, _ code: Int) throws {
        var bench = Bench()
        let answer = try bench.get(path)
        #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "))
        #expect((answer.body["code"]?.int ?? 0) == code)
    }

    @Test("only GET is answered")
    func method() {
        var bench = Bench()
        let number = bench.connect("POST /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(String(decoding: bench.take(number), as: UTF8.self).hasPrefix("HTTP/1.1 405"))
    }
}
