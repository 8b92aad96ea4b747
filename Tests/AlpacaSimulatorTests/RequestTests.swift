import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import AlpacaSimulator

@Suite("The requests that the simulated Alpaca answers")
struct RequestTests {
    /// Returns the entries of all pages.
    private func pages(_ bench: inout Bench, _ path: String) throws -> [String: [JSONValue]] {
        var entries: [String: [JSONValue]] = [:]
        var token = ""
        for _ in 0..<500 {
            let answer = try bench.get(path + token, headers: Bench.keys)
            #expect(answer.head.hasPrefix("HTTP/1.1 200"), "\(answer)")
            let list = answer.body.members?.first?.value.members ?? []
            for member in list { entries[member.key, default: []] += member.value.array ?? [] }
            guard let next = answer.body["next_page_token"]?.string else { return entries }
            token = "&page_token=" + next.replacing("=", with: "%3D").replacing("+", with: "%2B")
        }
        Issue.record("too many pages")
        return entries
    }

    @Test("pages of trades and quotes have what was sent, with what became of it")
    func trades() throws {
        var bench = Bench(rarities: {
            $0.correction = 10
            $0.cancel = 11
            $0.late = 12
        })
        let start = WireMessage.text(bench.now.advanced(byNanoseconds: 1))
        for _ in 0..<240 { bench.pass(milliseconds: 250) }
        let log = try Bench.lines(bench.venue.takeMarketLog()).filter {
            $0["endpoints"]?.array?.contains(.string("/v2/sip")) == true
        }.compactMap { $0["message"] }
        let path = "/v2/stocks/trades?symbols=AAPL,KO&limit=50&start=\(start)"
        let trades = try pages(&bench, path)
        #expect(try pages(&bench, path.replacing("limit=50", with: "limit=10000")) == trades)
        let quotes = try pages(&bench, path.replacing("trades", with: "quotes"))
        for symbol in ["AAPL", "KO"] {
            let own = log.filter { $0["S"]?.string == symbol }
            let times = trades[symbol, default: []].compactMap { $0["t"]?.string }
            let stamps = times.compactMap { ISOTime.parse($0) }
            #expect(stamps.count == times.count && stamps == stamps.sorted())
            let sent = own.filter { $0["T"]?.string == "t" && after($0, start) }
            let first = trades[symbol, default: []].filter { $0["u"]?.string != "corrected" }
            #expect(Set(first.map(key)) == Set(sent.map(key)) && first.count == sent.count)
            for (type, word) in [("c", "incorrect"), ("x", "canceled")] {
                let changed = Set(
                    own.filter { $0["T"]?.string == type }.map { id($0, type == "c" ? "oi" : "i") })
                let found = Set(
                    first.filter { $0["u"]?.string == word }.map { id($0, "i") })
                #expect(found.isSubset(of: changed) && found.count > 30)
            }
            let corrected = trades[symbol, default: []].filter { $0["u"]?.string == "corrected" }
            let ids = own.filter { $0["T"]?.string == "c" }.compactMap { $0["ci"]?.int }
            let correctedIDs = Set(corrected.compactMap { $0["i"]?.int })
            #expect(correctedIDs.isSubset(of: ids))
            #expect(
                quotes[symbol, default: []].compactMap { $0["t"]?.string }
                    == own.filter { $0["T"]?.string == "q" }.compactMap { $0["t"]?.string })
        }
    }

    private func after(_ message: JSONValue, _ start: String) -> Bool {
        guard let time = ISOTime.parse(message["t"]?.string ?? ""),
            let start = ISOTime.parse(start)
        else { return false }
        return time >= start
    }

    private func id(_ message: JSONValue, _ name: String) -> String {
        "\(message["x"]?.string ?? "") \(message[name]?.int ?? 0)"
    }

    private func key(_ message: JSONValue) -> String {
        ["x", "i", "p", "s", "t"].map { "\(message[$0] ?? .null)" }.joined(separator: " ")
    }

    @Test("bars of ended minutes are those that were sent, with late trades and changes in them")
    func bars() throws {
        var bench = Bench(
            symbols: ["AAPL"],
            rarities: {
                $0.correction = 0
                $0.cancel = 0
            })
        let number = try bench.client()
        _ = bench.ask(#"{"action":"subscribe","bars":["*"],"updatedBars":["*"]}"#, of: number)
        for _ in 0..<1_000 { bench.pass(milliseconds: 250) }
        var newest: [String: JSONValue] = [:]
        for bar in try bench.messages(number) {
            guard let time = bar["t"]?.string else { continue }
            newest[time] = bar["c"]
        }
        // An update of the minute before the start.
        newest["2023-11-14T22:12:00Z"] = nil
        let path = "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=2&start=2023-11-14T22:13:00Z"
        let bars = try pages(&bench, path)["AAPL"] ?? []
        #expect(bars.count == 4 && newest.count == 4)
        for bar in bars { #expect(newest[bar["t"]?.string ?? ""] == bar["c"]) }
        #expect(bars.allSatisfy { ($0["vw"]?.double ?? 0) > 200 && $0["T"] == nil })
    }

    @Test("a page of years comes in no time, and a token after the end has nothing")
    func years() throws {
        var bench = Bench(rate: 1_000)
        let path = "/v2/stocks/trades?symbols=AAPL&limit=1&start=2020-02-01"
        let page = try bench.get(path, headers: Bench.keys).body
        #expect(page.at("trades", "AAPL")?.array?.count == 1)
        let token = Base64.encode(Array("AAPL|99999999999999|0".utf8))
        for kind in ["trades", "quotes", "bars"] {
            let end = "/v2/stocks/\(kind)?symbols=AAPL&page_token=\(token)"
            let answer = try bench.get(end, headers: Bench.keys).body
            #expect(answer["next_page_token"] == .null && answer[kind]?.members?.isEmpty == true)
        }
    }

    @Test("crypto has pages, too, and a feed without the right to it is refused")
    func others() throws {
        var bench = Bench(settings: { $0.hasSIP = false })
        bench.pass(milliseconds: 5_000)
        let start = WireMessage.text(Bench.start)
        let coins = try pages(
            &bench, "/v1beta3/crypto/us/trades?symbols=BTC%2FUSD&start=\(start)")
        #expect((coins["BTC/USD"]?.count ?? 0) > 100)
        let iex = try pages(&bench, "/v2/stocks/trades?symbols=AAPL&start=\(start)")
        #expect(iex["AAPL"]?.allSatisfy { $0["x"]?.string == "V" } == true)
        let sip = try bench.get(
            "/v2/stocks/trades?symbols=AAPL&feed=sip&start=\(start)", headers: Bench.keys)
        #expect(sip.head.hasPrefix("HTTP/1.1 403"))
        let past = try bench.get(
            "/v2/stocks/trades?symbols=AAPL&feed=sip&start=2023-11-14&end=2023-11-14T01:00:00Z",
            headers: Bench.keys)
        #expect(past.head.hasPrefix("HTTP/1.1 200"))
    }

    @Test(
        "what is wrong with a request is told",
        arguments: [
            ("/v2/stocks/trades", 400), ("/v2/stocks/trades?symbols=aapl", 400),
            ("/v2/stocks/trades?symbols=AAPL&limit=10001", 400),
            ("/v2/stocks/trades?symbols=AAPL&start=x", 400),
            ("/v2/stocks/trades?symbols=AAPL&page_token=x", 400),
            ("/v2/stocks/trades?symbols=AAPL&feed=otc", 400),
            ("/v2/stocks/bars?symbols=AAPL&timeframe=1Day", 400),
            ("/v2/stocks/auctions?symbols=AAPL", 404), ("/v2/account", 404),
        ])
    func wrong(_ path: String, _ status: Int) throws {
        var bench = Bench()
        let answer = try bench.get(path, headers: Bench.keys)
        #expect(answer.head.hasPrefix("HTTP/1.1 \(status) ") && answer.body["message"] != nil)
    }

    @Test("a request needs the right key, and faults on command are in Alpaca's words")
    func keys() throws {
        var bench = Bench()
        let path = "/v2/stocks/trades?symbols=AAPL"
        #expect(try bench.get(path).head.hasPrefix("HTTP/1.1 401"))
        #expect(bench.venue.control("expire", now: bench.now) == "ok")
        #expect(try bench.get(path, headers: Bench.keys).head.hasPrefix("HTTP/1.1 403"))
        #expect(bench.venue.control("limit 1 3", now: bench.now) == "ok")
        let limited = try bench.get(path, headers: Bench.keys)
        #expect(limited.head.hasPrefix("HTTP/1.1 429") && limited.head.contains("Retry-After: 3"))
        #expect(limited.body["message"]?.string == "too many requests.")
    }
}
