import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import MassiveSimulator

@Suite("The requests that the simulated Massive answers")
struct RequestTests {
    private static let start = Bench.start.nanoseconds

    /// What the stream and a row have in common.
    private func key(_ message: JSONValue) -> String {
        ["i", "x", "p", "ds", "q", "c", "trfi"].map { "\(message[$0] ?? .null)" }
            .joined(separator: " ")
    }

    private func rowKey(_ row: JSONValue) -> String {
        [
            "id", "exchange", "price", "decimal_size", "sequence_number", "conditions", "trf_id",
        ].map { "\(row[$0] ?? .null)" }.joined(separator: " ")
    }

    @Test("pages of trades have what was sent, in its order, with what became of it")
    func trades() throws {
        var bench = Bench(rarities: {
            $0.late = 12
            $0.bust = 20
        })
        for _ in 0..<240 { bench.pass(milliseconds: 250) }
        let log = try bench.log()
        for symbol in ["AAPL", "KO"] {
            let path = "/v3/trades/\(symbol)?timestamp.gt=\(Self.start)&order=asc&limit="
            let rows = try bench.pages(path + "50")
            #expect(try bench.pages(path + "50000") == rows && rows.count > 1_000)
            let sent = log.of("trade").filter { $0.at("message", "sym")?.string == symbol }
            #expect(rows.map(rowKey) == sent.compactMap { $0["message"].map(key) })
            #expect(rows.compactMap { $0["sip_timestamp"] } == sent.compactMap { $0["time"] })
            #expect(
                rows.compactMap { $0["participant_timestamp"] }
                    == sent.compactMap { $0["happened"] })
            let newest = try bench.pages(path.replacing("asc", with: "desc") + "70")
            #expect(newest == rows.reversed())
            let busts = log.of("bust").compactMap { $0["message"] }.filter {
                $0["sym"]?.string == symbol
            }
            let marked = rows.filter { $0["correction"] != nil }
            let numbers = Set(marked.compactMap { $0["sequence_number"]?.int })
            #expect(numbers.isSubset(of: busts.compactMap { $0["q"]?.int }) && numbers.count > 20)
            #expect(marked.allSatisfy { [7, 8].contains($0["correction"]?.int) })
        }
    }

    @Test("pages of quotes have what was sent, in both orders")
    func quotes() throws {
        var bench = Bench()
        for _ in 0..<60 { bench.pass(milliseconds: 250) }
        let sent = try bench.log().of("quote").filter { $0.at("message", "sym")?.string == "KO" }
        let path = "/v3/quotes/KO?timestamp.gt=\(Self.start)&limit=33&order="
        let rows = try bench.pages(path + "asc")
        #expect(rows.count == sent.count && rows.count > 200)
        for (name, column) in [
            ("bp", "bid_price"), ("ap", "ask_price"), ("q", "sequence_number"), ("bs", "bid_size"),
            ("as", "ask_size"), ("bx", "bid_exchange"), ("ax", "ask_exchange"), ("z", "tape"),
        ] {
            #expect(rows.map { $0[column] } == sent.map { $0.at("message", name) })
        }
        #expect(try bench.pages(path + "desc") == rows.reversed())
    }

    @Test("times bound what is answered: exactly, to and from, and by days")
    func bounds() throws {
        var bench = Bench(rate: 400)
        for _ in 0..<20 { bench.pass(milliseconds: 250) }
        let path = "/v3/trades/AAPL?order=asc&limit=50000&"
        let all = try bench.pages("\(path)timestamp.gt=\(Self.start)")
        let times = all.compactMap { $0["sip_timestamp"]?.int }
        let (low, high) = (times[10], times[500])
        for (query, range) in [
            ("timestamp.gte=\(low)&timestamp.lte=\(high)", 10...500),
            ("timestamp.gt=\(low)&timestamp.lt=\(high)", 11...499), ("timestamp=\(low)", 10...10),
        ] {
            #expect(try bench.pages(path + query) == Array(all[range]), "\(query)")
        }
        let day = try bench.get("\(path)timestamp=2023-11-14", headers: Bench.keys).body
        let first = day["results"]?.array?.first?["sip_timestamp"]?.int ?? 0
        #expect((1_699_938_000_000_000_000...1_699_938_001_000_000_000).contains(first))
        #expect(try bench.pages("\(path)timestamp.gte=2023-11-16").isEmpty)
        #expect(try bench.pages("/v3/trades/NONE?limit=10").isEmpty)
    }

    @Test("the bars of minutes are the newest ones of the stream, page by page")
    func minutes() throws {
        var bench = Bench(symbols: ["AAPL"], rate: 10, rarities: { $0.late = 20 })
        for _ in 0..<2_000 { bench.pass(milliseconds: 250) }
        var newest: [Int: JSONValue] = [:]
        for bar in try bench.log().of("minute").compactMap({ $0["message"] }) {
            newest[bar["s"]?.int ?? 0] = bar
        }
        let from = 1_700_000_040_000
        let path = "/v2/aggs/ticker/AAPL/range/1/minute/\(from)/\(from + 419_999)"
        let bars = try bench.pages("\(path)?adjusted=false&limit=2")
        #expect(bars.compactMap { $0["t"]?.int } == (0..<7).map { from + $0 * 60_000 })
        for bar in bars {
            let sent = try #require(newest[bar["t"]?.int ?? 0])
            for name in ["o", "h", "l", "c", "vw"] { #expect(bar[name] == sent[name]) }
            #expect(bar["v"]?.double == sent["dv"]?.string.flatMap(Double.init))
        }
        #expect(try bench.pages("\(path)?sort=desc&limit=3") == bars.reversed())
        let answer = try bench.get("\(path)?limit=2", headers: Bench.keys).body
        #expect(answer["adjusted"] == .bool(true) && answer["queryCount"]?.int == 2)
        #expect(answer["ticker"]?.string == "AAPL" && answer["resultsCount"]?.int == 2)
    }

    @Test("a day's bar counts all of its trades; after its end, without those that were cancelled")
    func days() throws {
        var bench = Bench(symbols: ["KO"], rate: 1, rarities: { $0.bust = 10 })
        bench.pass(milliseconds: 1_000)
        let range = "2023-11-13/2023-11-14"
        let bars = try bench.pages("/v2/aggs/ticker/KO/range/1/day/\(range)?limit=1")
        let day = "timestamp.gte=2023-11-13&timestamp.lt=2023-11-14&limit=50000"
        let rows = try bench.pages("/v3/trades/KO?\(day)")
        let kept = rows.filter { $0["correction"] == nil }
        #expect(bars.count == 2 && bars.first?["t"]?.int == 1_699_851_600_000)
        // Trades at the edges of the day are reported on another one.
        let difference = kept.count - (bars.first?["n"]?.int ?? 0)
        #expect(abs(difference) < 20 && rows.count - kept.count > 5_000)
    }

    @Test("a market with too many trades for a day's bar says so")
    func busy() throws {
        var bench = Bench(symbols: ["AAPL"], rate: 50_000)
        let answer = try bench.get(
            "/v2/aggs/ticker/AAPL/range/1/day/2023-11-13/2023-11-13", headers: Bench.keys)
        #expect(answer.head.hasPrefix("HTTP/1.1 400 "))
    }

    @Test("a page of years comes in no time")
    func years() throws {
        var bench = Bench(rate: 1_000)
        let path = "/v3/trades/AAPL?limit=1&order=asc&timestamp.gte=2020-02-01"
        #expect(try bench.get(path, headers: Bench.keys).body["next_url"] != nil)
        // Nothing happened before 2020, and looking for it ends.
        let minutes = "/v2/aggs/ticker/AAPL/range/1/minute/0/1500000000000"
        let bars = try bench.get(minutes, headers: Bench.keys).body
        #expect(bars["next_url"] != nil && bars["results"] == nil)
    }

    @Test(
        "what is wrong with a request is told",
        arguments: [
            ("/v3/trades/AAPL?limit=50001", 400), ("/v3/trades/AAPL?limit=0", 400),
            ("/v3/trades/AAPL?order=up", 400), ("/v3/trades/AAPL?sort=price", 400),
            ("/v3/trades/AAPL?timestamp.gte=x", 400), ("/v3/trades/AAPL?cursor=!", 400),
            ("/v3/quotes/AAPL?timestamp=-1", 400),
            ("/v2/aggs/ticker/AAPL/range/5/minute/1/2", 400),
            ("/v2/aggs/ticker/AAPL/range/1/hour/1/2", 400),
            ("/v2/aggs/ticker/AAPL/range/1/minute/x/2", 400),
            ("/v2/aggs/ticker/AAPL/range/1/minute/2/1", 400),
            ("/v2/aggs/ticker/AAPL/range/1/day/1/2?adjusted=no", 400),
            ("/v2/aggs/ticker/AAPL/range/1/day/1/2?limit=x", 400),
            ("/v3/splits/AAPL", 404), ("/v1/marketstatus/now", 404),
        ])
    func wrong(_ path: String, _ status: Int) throws {
        var bench = Bench()
        let answer = try bench.get(path, headers: Bench.keys)
        #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        #expect(answer.body["status"]?.string == "ERROR" && answer.body["error"] != nil)
    }

    @Test("a request needs the right key, in a header or a parameter, and a plan with the data")
    func keys() throws {
        var bench = Bench(settings: { $0.hasQuotes = false })
        let path = "/v3/trades/AAPL?limit=1"
        #expect(try bench.get(path).head.hasPrefix("HTTP/1.1 401"))
        let wrong = try bench.get(path + "&apiKey=x")
        #expect(wrong.head.hasPrefix("HTTP/1.1 401"))
        #expect(wrong.body["error"]?.string == "Unknown API Key")
        #expect(try bench.get(path + "&apiKey=test-key").head.hasPrefix("HTTP/1.1 200"))
        let quotes = try bench.get("/v3/quotes/AAPL", headers: Bench.keys)
        #expect(quotes.head.hasPrefix("HTTP/1.1 403"))
        #expect(quotes.body["status"]?.string == "NOT_AUTHORIZED")
        #expect(bench.venue.control("expire", now: bench.now) == "ok")
        #expect(try bench.get(path, headers: Bench.keys).head.hasPrefix("HTTP/1.1 401"))
    }

    @Test("the free plan has five requests in a minute; faults on command are in Massive's words")
    func limits() throws {
        var bench = Bench(settings: { $0.requestsPerMinute = 5 })
        let path = "/v3/trades/AAPL?limit=1"
        for _ in 0..<5 {
            #expect(try bench.get(path, headers: Bench.keys).head.hasPrefix("HTTP/1.1 200"))
        }
        let refused = try bench.get(path, headers: Bench.keys)
        #expect(refused.head.hasPrefix("HTTP/1.1 429") && !refused.head.contains("Retry-After"))
        #expect(refused.body["error"]?.string?.contains("maximum requests per minute") == true)
        bench.pass(milliseconds: 60_000)
        #expect(try bench.get(path, headers: Bench.keys).head.hasPrefix("HTTP/1.1 200"))
        #expect(bench.venue.control("limit 1 3", now: bench.now) == "ok")
        #expect(try bench.get(path, headers: Bench.keys).head.contains("Retry-After: 3"))
        #expect(bench.venue.control("fail 1", now: bench.now) == "ok")
        let failed = try bench.get(path, headers: Bench.keys)
        #expect(failed.head.hasPrefix("HTTP/1.1 500") && failed.body["error"] != nil)
    }
}
