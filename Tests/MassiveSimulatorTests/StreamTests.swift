import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import MassiveSimulator

@Suite("The stream of the simulated Massive")
struct StreamTests {
    @Test("a client gets all records of its subscription once, and both logs have them")
    func complete() throws {
        var bench = Bench(rarities: {
            $0.late = 20
            $0.bust = 30
        })
        let messages = try bench.run("T.*,Q.*,A.*,AM.*", seconds: 100)
        let happened = try bench.log()
        let seen = happened.filter { $0["kind"]?.string != "bust" }
        #expect(messages == seen.compactMap { $0["message"] })
        let truth = try Bench.lines(bench.venue.takeTruth()).filter { $0["record"] != nil }
        #expect(truth.compactMap { $0["record"] } == seen.compactMap { $0["record"] })
        #expect(truth.compactMap { $0["message"] } == messages)
        #expect(happened.compactMap { $0["record"]?.int } == Array(1...happened.count))
        let times = happened.compactMap { $0["time"]?.int }
        #expect(times == times.sorted() && times.count == happened.count)
        let kinds = Set(happened.compactMap { $0["kind"]?.string })
        #expect(kinds == ["trade", "quote", "second", "minute", "bust"])
    }

    @Test("the same seed has the same market, in steps of any size; another has another")
    func seeds() throws {
        func log(_ seed: UInt64, step: Int64) throws -> [JSONValue] {
            var bench = Bench(seed: seed)
            for _ in 0..<(70_000 / step) { bench.pass(milliseconds: step) }
            return try bench.log()
        }
        let market = try log(5, step: 70)
        #expect(try log(5, step: 7_000) == market && market.count > 4_000)
        #expect(try log(6, step: 7_000) != market)
    }

    @Test("sequences rise for each symbol and are not dense; late trades are reported late")
    func sequences() throws {
        var bench = Bench(rarities: { $0.late = 10 })
        let messages = try bench.run("T.AAPL,Q.AAPL", seconds: 60)
        for kind in ["T", "Q"] {
            let numbers = messages.of(kind).compactMap { $0["q"]?.int }
            #expect(numbers.count > 1_000 && zip(numbers, numbers.dropFirst()).allSatisfy(<))
        }
        var late = 0
        for trade in messages.of("T") {
            let delay = (trade["t"]?.int ?? 0) - (trade["pt"]?.int ?? 0)
            if delay > 2 { late += 1 }
            #expect((0...1_200_000).contains(delay))
            #expect(delay <= 2 || trade["trfi"]?.int == 201)
        }
        #expect(late > 50)
    }

    @Test("sizes are exact as text and cut as numbers, conditions say what does not count")
    func sizes() throws {
        var bench = Bench()
        let trades = try bench.run("T.*", seconds: 60)
        for trade in trades {
            let exact = try #require(trade["ds"]?.string)
            #expect(trade["s"]?.int == exact.split(separator: ".").first.flatMap { Int($0) })
            let codes = trade["c"]?.array?.compactMap(\.int) ?? []
            #expect(codes.contains(37) == ((trade["s"]?.int ?? 0) < 100))
        }
        #expect(trades.contains { $0["ds"]?.string?.hasPrefix("0.") == true })
        #expect(trades.contains { $0["c"] == nil })
        #expect(trades.contains { $0["c"]?.array?.contains(.number("2")) == true })
        let keys = trades.map { trade in
            ["sym", "x", "trfi", "i"].map { "\(trade[$0] ?? .null)" }.joined(separator: " ")
        }
        #expect(Set(keys).count == keys.count)
    }

    @Test("twins have one sequence and one time, on the stream, in pages and in bars")
    func twins() throws {
        var bench = Bench(
            symbols: ["AAPL"],
            rarities: {
                $0.twin = 10
                $0.bust = 20
            })
        let trades = try bench.run("T.*,A.*", seconds: 60)
        let rows = trades.of("T")
        let numbers = Dictionary(grouping: rows) { $0["q"]?.int ?? 0 }
        let pairs = numbers.values.filter { $0.count == 2 }
        #expect(pairs.count > 100 && pairs.count + numbers.count == rows.count)
        for pair in pairs {
            #expect(pair[0]["t"] == pair[1]["t"])
            #expect(pair[0]["i"] != pair[1]["i"] && pair[0]["ds"] != pair[1]["ds"])
        }
        for order in ["asc", "desc"] {
            let path = "/v3/trades/AAPL?timestamp.gte=\(Bench.start.nanoseconds)&limit=7"
            let pages = try bench.pages("\(path)&order=\(order)")
            let ids = pages.map { row -> String in
                "\(row["exchange"]?.int ?? 0) \(row["id"]?.string ?? "")"
            }
            #expect(Set(ids).count == ids.count && ids.count == rows.count)
        }
        let start = 1_700_000_020_000
        let own = bar(of: rows, start: start)
        let second = try #require(trades.of("A").first { $0["s"]?.int == start })
        #expect(second["h"]?.double == own.high && second["v"]?.int == own.volume)
    }

    @Test("each exchange counts its trades of a day, from the first or the second number on")
    func ids() {
        let market = MassiveMarket(
            symbols: ["AAPL"].compactMap { MassiveSymbol($0) }, seed: 1, rate: 40,
            rarities: MassiveRarities())
        let day = MassiveMarket.day(of: Bench.start)
        let until = day.advanced(byNanoseconds: 5_000_000_000)
        var ids: [Int: [UInt64]] = [:]
        for number in market.tradeNumbers(0, isLate: false, after: day, until: until) {
            let trade = market.trade(0, isLate: false, number)
            ids[trade.exchange, default: []].append(trade.id)
        }
        #expect(ids.count == 4)
        for own in ids.values {
            let first = own[0]
            #expect(1...2 ~= first && own == (0..<UInt64(own.count)).map { first + $0 })
        }
    }

    /// The bar of a second that the trades of the stream make.
    private func bar(of trades: [JSONValue], start: Int) -> (high: Double?, volume: Int) {
        let own = trades.filter {
            let time = $0["pt"]?.int ?? 0
            return start <= time && time < start + 1_000 && ($0["t"]?.int ?? 0) < start + 3_000
        }
        let eligible = own.filter { trade in
            let codes = trade["c"]?.array?.compactMap(\.int) ?? []
            return !codes.contains(37) && !codes.contains(2)
        }
        let sizes = own.compactMap { $0["ds"]?.string.flatMap(Double.init) }
        return (eligible.compactMap { $0["p"]?.double }.max(), Int(sizes.reduce(0, +)))
    }

    @Test("a second's bar comes two seconds after its end, once, and not without trades that count")
    func seconds() throws {
        var bench = Bench(symbols: ["AAPL"], rate: 4)
        let messages = try bench.run("T.*,A.*", seconds: 60)
        let bars = messages.of("A")
        let starts = bars.compactMap { $0["s"]?.int }
        #expect(starts.count > 20 && Set(starts).count == starts.count && starts.count < 58)
        let times = try bench.log().of("second").compactMap { $0["time"]?.int }
        #expect(times == starts.map { ($0 + 3_000) * 1_000_000 })
        for bar in bars {
            let start = try #require(bar["s"]?.int)
            // The first trades were before the client came.
            guard start >= 1_700_000_000_000 else { continue }
            let own = self.bar(of: messages.of("T"), start: start)
            #expect(bar["h"]?.double == own.high && bar["v"]?.int == own.volume)
            #expect(bar["e"]?.int == start + 1_000)
        }
        let seconds = Set(messages.of("T").compactMap { ($0["pt"]?.int).map { $0 / 1_000 } })
        let missing = seconds.filter { !starts.contains($0 * 1_000) && $0 < 1_700_000_056 }
        #expect(!missing.isEmpty)
        for second in missing {
            #expect(bar(of: messages.of("T"), start: second * 1_000).high == nil)
        }
    }

    @Test("a minute's bar comes at its end, and again with each late trade of 15 minutes")
    func minutes() throws {
        var bench = Bench(symbols: ["AAPL"], rate: 10, rarities: { $0.late = 20 })
        _ = try bench.run("AM.*", seconds: 1_500)
        let lines = try bench.log()
        var newest: [Int: JSONValue] = [:]
        var repeats = 0
        for line in lines.of("minute") {
            let bar = try #require(line["message"])
            let start = try #require(bar["s"]?.int)
            // Those of before were sent before.
            guard start >= 1_699_999_980_000 else { continue }
            let delay = (line["time"]?.int ?? 0) / 1_000_000 - start
            if let before = newest[start] {
                repeats += 1
                #expect(before != bar && (60_000..<960_000).contains(delay))
                #expect(Self.volume(bar) > Self.volume(before))
            } else {
                #expect(delay == 60_000)
            }
            newest[start] = bar
        }
        #expect(repeats > 100 && newest.count == 25)
        // Some trades came too late for their minutes.
        #expect(
            lines.of("trade").contains {
                ($0["time"]?.int ?? 0) - ($0["happened"]?.int ?? 0) > 960_000_000_000
            })
    }

    private static func volume(_ bar: JSONValue) -> Double {
        bar["dv"]?.string.flatMap(Double.init) ?? 0
    }

    @Test("the totals of a day are those of its trades")
    func totals() throws {
        var bench = Bench(symbols: ["KO"], rate: 10)
        let lines = try bench.run("T.*,AM.*", seconds: 150)
        let bars = lines.of("AM").filter { ($0["s"]?.int ?? 0) % 60_000 == 0 }
        let first = try #require(bars.first)
        let last = try #require(bars.last)
        let place = try #require(lines.firstIndex(of: first))
        let end = try #require(lines.lastIndex(of: last))
        let between = lines[place..<end].filter { $0["ev"]?.string == "T" }
        let sizes = between.compactMap { $0["ds"]?.string.flatMap(Double.init) }.reduce(0, +)
        let total = { (bar: JSONValue) in bar["dav"]?.string.flatMap(Double.init) ?? 0 }
        #expect(sizes > 1_000 && abs(total(last) - total(first) - sizes) < 0.001)
        #expect(first["op"] == last["op"])
    }

    @Test("lost records are in the market log, and nobody gets them")
    func lose() throws {
        var bench = Bench(symbols: ["AAPL"])
        let number = try bench.client()
        _ = bench.ask(#"{"action":"subscribe","params":"T.*,Q.*,A.*,AM.*"}"#, of: number)
        #expect(bench.venue.control("lose 5", now: bench.now) == "ok")
        bench.pass(milliseconds: 1_000)
        let seen = try bench.log().filter { $0["kind"]?.string != "bust" }
        #expect(try bench.messages(number) == seen.dropFirst(5).compactMap { $0["message"] })
    }

    @Test("after a stretch that was left out, the bars are whole again")
    func leap() throws {
        var bench = Bench(symbols: ["AAPL"], rate: 10)
        bench.pass(milliseconds: 30_000)
        bench.pass(milliseconds: 600_000)
        for _ in 0..<300 { bench.pass(milliseconds: 250) }
        let bars = try bench.log().of("minute").compactMap { $0["message"] }
        let newest = try #require(bars.last { ($0["s"]?.int ?? 0) > 1_700_000_600_000 })
        let start = try #require(newest["s"]?.int)
        let path = "/v2/aggs/ticker/AAPL/range/1/minute/\(start)/\(start)"
        let answer = try bench.pages(path)
        #expect(answer.count == 1 && answer.first?["h"] == newest["h"])
    }
}
