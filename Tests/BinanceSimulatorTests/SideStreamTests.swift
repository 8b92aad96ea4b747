import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import BinanceSimulator

@Suite("What the simulated exchange sends beside trades")
struct SideStreamTests {
    @Test("the best bid and offer follow each trade, with rising numbers that have holes")
    func quotes() throws {
        var bench = Bench()
        let number = try bench.webSocket("/stream?streams=btcusdt@bookTicker")
        bench.pass(milliseconds: 1_000)
        let events = try bench.texts(number).map { try JSONValue.parse($0) }
        #expect((98...102).contains(events.count))
        #expect(events.allSatisfy { $0["stream"]?.string == "btcusdt@bookTicker" })
        let updates = events.compactMap { $0.at("data", "u")?.uint64 }
        #expect(zip(updates, updates.dropFirst()).allSatisfy { $0 < $1 })
        let isDense = zip(updates, updates.dropFirst()).allSatisfy { $0 + 1 == $1 }
        #expect(!isDense && events.first?.at("data", "s")?.string == "BTCUSDT")
    }

    @Test("a bar is sent unfinished each second, and once when it is over, with all its trades")
    func bars() throws {
        var bench = Bench { $0.pingSeconds = 1_000 }
        let number = try bench.webSocket("/ws/btcusdt@kline_1m/btcusdt@kline_1s/btcusdt@trade")
        for _ in 0..<130 { bench.pass(milliseconds: 1_000) }
        let events = try bench.texts(number).map { try JSONValue.parse($0) }
        let trades = events.filter { $0["e"]?.string == "trade" }
        let bars = events.compactMap { $0["k"] }
        let over = bars.filter { $0["x"]?.bool == true }
        let minutes = over.filter { $0["i"]?.string == "1m" }
        #expect(minutes.count == 2 && over.count == minutes.count + 130)
        #expect(bars.count == 2 * 130)
        let minute = try #require(minutes.last)
        let open = try #require(minute["t"]?.int)
        let its = trades.filter {
            (open..<open + 60_000).contains($0["T"]?.int ?? 0)
        }
        #expect(minute["n"]?.int == its.count)
        #expect(minute["o"]?.string == its.first?["p"]?.string)
        #expect(minute["c"]?.string == its.last?["p"]?.string)
        #expect(minute["f"]?.uint64 == its.first?["t"]?.uint64)
        #expect(minute["L"]?.uint64 == its.last?["t"]?.uint64)
        #expect(minute["T"]?.int == open + 59_999)
    }

    @Test("a book has its best rows ten times a second, each side in order")
    func books() throws {
        var bench = Bench()
        let number = try bench.webSocket("/stream?streams=btcusdt@depth20@100ms")
        bench.pass(milliseconds: 1_000)
        let books = try bench.texts(number).compactMap { try JSONValue.parse($0)["data"] }
        #expect(books.count == 10)
        for book in books {
            let bids = Self.prices(book["bids"])
            let asks = Self.prices(book["asks"])
            #expect(bids.count == 20 && asks.count == 20)
            #expect(zip(bids, bids.dropFirst()).allSatisfy { $0 > $1 })
            #expect(zip(asks, asks.dropFirst()).allSatisfy { $0 < $1 })
            #expect(bids[0] < asks[0] && book["lastUpdateId"]?.uint64 != nil)
        }
    }

    private static func prices(_ rows: JSONValue?) -> [Double] {
        (rows?.array ?? []).compactMap { ($0.array?.first?.string).flatMap(Double.init) }
    }
}
