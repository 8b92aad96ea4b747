import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import PolledSimulator

@Suite("The simulated CoinGecko and Alternative.me")
struct ServiceTests {
    @Test("prices are those of the log, change each minute, and have their time")
    func prices() throws {
        var bench = Bench { $0.speed = 60 }
        var logged = try bench.log("coingecko")
        let path =
            "/api/v3/simple/price?ids=bitcoin,pepe,ghost,none&vs_currencies=usd,eur"
            + "&include_last_updated_at=true&precision=full"
        var seen: Set<String> = []
        for _ in 0..<10 {
            let answer = try bench.get(path).body
            #expect(answer.members?.map(\.key) == ["bitcoin", "pepe", "ghost"])
            #expect(answer.at("ghost", "usd") == .null)
            let time = answer.at("bitcoin", "last_updated_at")?.int ?? 0
            for id in ["bitcoin", "pepe"] {
                guard case .number(let text) = answer.at(id, "usd") else { continue }
                seen.insert("\(id) \(time) \(text)")
            }
            bench.pass(seconds: 1)
            logged += try bench.log("coingecko")
        }
        let known = logged.filter {
            $0["currency"]?.string == "usd" && ["bitcoin", "pepe"].contains($0["id"]?.string)
        }.map {
            "\($0["id"]?.string ?? "") \($0["last_updated_at"]?.int ?? 0) "
                + "\($0["value"]?.string ?? "")"
        }
        #expect(seen.count == 20 && seen.isSubset(of: known) && known.count == 22)
        #expect(seen.contains { $0.contains("e-06") })
    }

    @Test("units as text, with an exponent where they are small")
    func texts() {
        #expect(CoinPrices.text(650_001_200_000_000) == "65000.12")
        #expect(CoinPrices.text(12_000) == "1.2e-06")
        #expect(CoinPrices.text(20_000) == "2e-06")
        #expect(CoinPrices.text(999_999) == "9.99999e-05")
        #expect(CoinPrices.text(1) == "1e-10")
        #expect(CoinPrices.text(1_000_000) == "0.0001")
    }

    @Test("markets have the same prices, and nulls")
    func markets() throws {
        var bench = Bench()
        let markets = try bench.get("/api/v3/coins/markets?vs_currency=eur").body.array ?? []
        #expect(markets.count == 5)
        let bitcoin = try #require(markets.first)
        let price = try bench.get("/api/v3/simple/price?ids=bitcoin&vs_currencies=eur").body
        #expect(bitcoin["current_price"] == price.at("bitcoin", "eur"))
        #expect(bitcoin["last_updated"]?.string == "2026-03-04T12:00:00.000Z")
        #expect(markets.last?["current_price"] == .null)
        let one = try bench.get("/api/v3/coins/markets?vs_currency=usd&ids=solana").body.array
        #expect(one?.count == 1 && one?.first?["symbol"]?.string == "sol")
    }

    @Test("CoinGecko alone answers nobody who does not name the client")
    func userAgent() throws {
        var bench = Bench()
        let nameless = ["user-agent": ""]
        for path in ["/api/v3/ping", "/api/v3/simple/price?ids=bitcoin&vs_currencies=usd"] {
            let refused = try bench.get(path, headers: nameless)
            #expect(refused.head.hasPrefix("HTTP/1.1 403"))
            #expect(refused.body.at("status", "error_code")?.int == 403)
            let text = refused.body.at("status", "error_message")?.string ?? ""
            #expect(text.hasPrefix("Please add a descriptive User-Agent to your request."))
            #expect(try bench.get(path).head.hasPrefix("HTTP/1.1 200"))
        }
        #expect(try bench.get("/fng/", headers: nameless).head.hasPrefix("HTTP/1.1 200"))
    }

    @Test("where a key is needed, its absence and a wrong one have CoinGecko's code")
    func keys() throws {
        var bench = Bench { $0.coinKey = "k" }
        let path = "/api/v3/ping"
        #expect(try bench.get(path).body.at("status", "error_code")?.int == 10_002)
        let right = ["x-cg-demo-api-key": "k"]
        #expect(try bench.get(path, headers: right).body["gecko_says"] != nil)
        #expect(try bench.get(path + "?x_cg_demo_api_key=k").body["gecko_says"] != nil)
        #expect(bench.venue.control("expire", now: bench.now) == "ok")
        #expect(try bench.get(path, headers: right).head.hasPrefix("HTTP/1.1 401"))
        #expect(bench.venue.control("limit 1", now: bench.now) == "ok")
        let limited = try bench.get(path).body
        #expect(limited.at("status", "error_code")?.int == 429)
        #expect(try bench.get("/api/v3/coins").head.hasPrefix("HTTP/1.1 401"))
        var open = Bench()
        #expect(try open.get("/api/v3/coins").head.hasPrefix("HTTP/1.1 404"))
        #expect(try open.get("/api/v3/simple/price?ids=bitcoin").head.hasPrefix("HTTP/1.1 422"))
        #expect(try open.get("/api/v3/coins/markets").head.hasPrefix("HTTP/1.1 422"))
        #expect(open.venue.control("expire 1", now: open.now).hasPrefix("error"))
    }

    @Test("fear and greed: newest first, as texts, one value a day, those of the log")
    func fear() throws {
        var bench = Bench { $0.speed = 86_400 }
        var logged = try bench.log("alternative.me")
        for _ in 0..<3 { bench.pass(seconds: 1) }
        logged += try bench.log("alternative.me")
        let all = try bench.get("/fng/?limit=0").body["data"]?.array ?? []
        #expect(all.first?["timestamp"]?.string == "1772841600" && all.count > 2_900)
        #expect(all.first?["time_until_update"]?.string == "43200")
        #expect(all[1]["time_until_update"] == nil)
        for name in ["value", "value_classification", "timestamp"] {
            #expect(all.map { $0[name] } == logged.reversed().map { $0[name] })
        }
        let words = Set(all.compactMap { $0["value_classification"]?.string })
        #expect(words.count >= 4)
        let one = try bench.get("/fng/").body
        #expect(one["data"]?.array?.count == 1 && one.at("metadata", "error") == .null)
        #expect(try bench.get("/fng/?limit=x").body.at("metadata", "error") != .null)
        #expect(try bench.get("/other").head.hasPrefix("HTTP/1.1 404"))
    }

    @Test("only GET is answered, and there are no WebSockets")
    func methods() {
        var bench = Bench()
        let post = bench.connect("POST /fng/ HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(String(decoding: bench.take(post), as: UTF8.self).hasPrefix("HTTP/1.1 405"))
        let socket = bench.connect(ClientBytes.upgrade("/fng/"))
        #expect(String(decoding: bench.take(socket), as: UTF8.self).hasPrefix("HTTP/1.1 404"))
    }
}
