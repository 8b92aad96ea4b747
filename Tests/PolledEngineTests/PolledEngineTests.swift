import EngineKit
import MarketModel
import Primitives
import Testing

@testable import PolledEngine

@Suite("Polled values")
struct PolledEngineTests {
    private static let second = PolledBench.second
    private static let hour = 3_600 * PolledBench.second

    /// A bench whose series DGS10 has these values at its first answer.
    private func polled(
        _ values: [(date: String, value: String)], frequency: String = "D",
        _ change: (inout PolledSettings) -> Void = { _ in }
    ) throws -> PolledBench {
        var bench = PolledBench(.fred, change)
        try bench.begin("DGS10")
        try bench.serve("/fred/series", Answers.facts(frequency))
        try bench.serve("/fred/series/observations", Answers.observations(values))
        return bench
    }

    @Test("FRED is asked for JSON, the newest first, and only the newest value is published")
    func first() throws {
        var bench = PolledBench(.fred)
        try bench.begin("DGS10")
        let facts = try bench.due()
        #expect(bench.query(facts) == "series_id=DGS10&file_type=json")
        bench.answer(facts, Answers.facts())
        let request = try bench.due()
        #expect(
            bench.query(request) == "series_id=DGS10&file_type=json&sort_order=desc&limit=10")
        bench.answer(
            request, Answers.observations([("2026-11-17", "4.13"), ("2026-11-18", "4.11")]))
        #expect(bench.shownValues == ["2026-11-18T00:00:00 4.11 % r0"])
        let value = try #require(bench.values.first)
        #expect(value.name == "value" && value.header.flags == .snapshot)
        #expect(value.periodEnd == value.periodStart.advanced(byNanoseconds: 24 * Self.hour))
        #expect(!value.header.providerTime.isDefined && value.header.receiveTime == bench.now.wall)
        #expect(bench.states == [.starting, .live])
        guard case .tape(.subscription(let begun)) = bench.records[2] else {
            Issue.record("no subscription before the value")
            return
        }
        #expect(begun.provider == "fred" && begun.kind == DataKind.indicator.rawValue)
    }

    @Test("a new period, a revision and a value that comes later are records; the same is none")
    func changes() throws {
        var bench = try polled([
            ("2026-11-16", "4.10"), ("2026-11-17", "."), ("2026-11-18", "4.11"),
        ])
        let path = "/fred/series/observations"
        try bench.serve(
            path,
            Answers.observations([
                ("2026-11-16", "4.10"), ("2026-11-17", "."), ("2026-11-18", "4.110"),
            ]))
        #expect(bench.values.count == 1)
        try bench.serve(
            path,
            Answers.observations([
                ("2026-11-16", "4.1"), ("2026-11-17", "4.2"), ("2026-11-18", "4.12"),
                ("2026-11-19", "4.5"),
            ]))
        #expect(
            bench.shownValues.dropFirst() == [
                "2026-11-17T00:00:00 4.2 % r0", "2026-11-18T00:00:00 4.12 % r1",
                "2026-11-19T00:00:00 4.5 % r0",
            ])
        // Of the first answer it was only remembered, and it is of that window.
        try bench.serve(path, Answers.observations([("2026-11-15", "9"), ("2026-11-16", "4.3")]))
        #expect(bench.shownValues.suffix(1) == ["2026-11-16T00:00:00 4.3 % r1"])
        #expect(bench.engine.counters.revisions == 2)
        #expect(bench.values.allSatisfy { $0.header.flags == .snapshot } == false)
    }

    @Test(
        "dates mean periods by the frequency",
        arguments: [
            ("D", "2026-11-18T00", "2026-11-19T00"), ("W", "2026-11-12T00", "2026-11-19T00"),
            ("BW", "2026-11-05T00", "2026-11-19T00"), ("M", "2026-11-18T00", "2026-12-01T00"),
            ("Q", "2026-11-18T00", "2027-02-01T00"), ("SA", "2026-11-18T00", "2027-05-01T00"),
            ("A", "2026-11-18T00", "2027-11-01T00"), ("?", "2026-11-18T00", "2026-11-19T00"),
        ])
    func periods(_ frequency: String, _ start: String, _ end: String) throws {
        let bench = try polled([("2026-11-18", "4.11")], frequency: frequency)
        let value = try #require(bench.values.first)
        #expect(value.periodStart.description.hasPrefix(start))
        #expect(value.periodEnd.description.hasPrefix(end))
    }

    @Test("so many of the newest values as wanted are published at a first start")
    func history() throws {
        let all = (1...5).map { (date: "2026-11-0\($0)", value: "\($0)") }
        let bench = try polled(all) { $0.history = 3 }
        #expect(bench.values.map(\.value) == [3, 4, 5].map { $0 * 1_000_000_000 })
    }

    @Test("after a restart only what the tape does not have is published, and the outage is filled")
    func restart() throws {
        var bench = PolledBench(.fred)
        func known(_ day: Int64, _ value: Int128, _ revision: UInt64) throws -> PublishedValue {
            let date = try #require(CivilDate(year: 2026, month: 11, day: day))
            return PublishedValue(
                instrument: 0,
                periodStart: Timestamp(nanoseconds: date.daysSinceEpoch * 24 * Self.hour),
                value: value * 10_000_000, revision: revision)
        }
        try bench.begin(
            "DGS10", reached: bench.now.wall,
            last: [known(17, 413, 0), known(16, 410, 2)])
        #expect(bench.shownGaps == ["open -3660-"])
        try bench.serve("/fred/series", Answers.facts())
        try bench.serve(
            "/fred/series/observations",
            Answers.observations([
                ("2026-11-13", "4.0"), ("2026-11-16", "4.2"), ("2026-11-17", "4.13"),
                ("2026-11-18", "4.11"),
            ]))
        #expect(
            bench.shownValues == [
                "2026-11-16T00:00:00 4.2 % r3", "2026-11-18T00:00:00 4.11 % r0",
            ])
        #expect(bench.shownGaps.map { $0.split(separator: " ")[0] } == ["open", "open", "filled"])
        #expect(bench.gaps.allSatisfy { $0.kind == DataKind.indicator.rawValue })
    }

    @Test("a value that is late, and comes while no gateway runs, is published")
    func lateValue() throws {
        var bench = PolledBench(.fred)
        func known(_ day: Int64, _ revision: UInt64) throws -> PublishedValue {
            PublishedValue(
                instrument: 0, periodStart: try Self.start(of: day),
                value: Int128(day) * 1_000_000_000,
                revision: revision)
        }
        // The 13th was revised, and may be from before the first start. The 17th had no value.
        try bench.begin(
            "DGS10", reached: bench.now.wall, last: [known(13, 1), known(16, 0), known(18, 0)])
        try bench.serve("/fred/series", Answers.facts())
        try bench.serve(
            "/fred/series/observations",
            Answers.observations(
                [12, 13, 14, 16, 17, 18].map { (date: "2026-11-\($0)", value: "\($0)") }))
        #expect(bench.shownValues == ["2026-11-17T00:00:00 17 % r0"])
        #expect(bench.shownGaps.last?.hasPrefix("filled") ?? false)
    }

    @Test("more values than an answer has: what it may lack is on record, without an outage")
    func tooMany() throws {
        let days = (1...20).map { (date: "2026-11-" + ($0 < 10 ? "0" : "") + "\($0)", value: "1") }
        var bench = try polled(Array(days.prefix(2)))
        let path = "/fred/series/observations"
        try bench.serve(path, Answers.observations(Array(days.prefix(12).suffix(10))))
        #expect(bench.values.count == 11 && bench.shownGaps == ["abandoned 0-3600"])
        #expect(bench.gaps.first?.reason == GapReason.providerLoss.rawValue)
        // This one reaches back, and one without values says nothing.
        try bench.serve(path, Answers.observations(Array(days.prefix(15).suffix(10))))
        try bench.serve(path, Answers.observations([]))
        #expect(bench.values.count == 14 && bench.gaps.count == 1)
    }

    @Test("a service that goes back to values of long ago publishes nothing again")
    func wentBack() throws {
        let days = (1...28).map { (date: "2026-10-" + ($0 < 10 ? "0" : "") + "\($0)", value: "1") }
        var bench = try polled(Array(days.prefix(2)))
        let path = "/fred/series/observations"
        for end in stride(from: 4, through: 28, by: 4) {
            try bench.serve(path, Answers.observations(Array(days.prefix(end).suffix(8))))
        }
        #expect(bench.values.count == 27)
        for _ in 0..<3 {
            try bench.serve(path, Answers.observations(Array(days.prefix(10).suffix(8))))
        }
        try bench.serve(path, Answers.observations(Array(days.suffix(8))))
        #expect(bench.values.count == 27 && bench.engine.counters.older == 24)
        #expect(bench.gaps.isEmpty)
    }

    private static func start(of day: Int64) throws -> Timestamp {
        let date = try #require(CivilDate(year: 2026, month: 11, day: day))
        return Timestamp(nanoseconds: date.daysSinceEpoch * 24 * hour)
    }

    @Test("a price is of the second that CoinGecko names; many coins are one request")
    func coins() throws {
        var bench = PolledBench(.coingecko)
        try bench.begin("bitcoin", "ethereum")
        let request = try bench.due()
        #expect(request.path == "/api/v3/simple/price")
        #expect(
            bench.query(request)
                == "ids=bitcoin,ethereum&vs_currencies=usd&include_last_updated_at=true"
                + "&precision=full")
        bench.answer(request, Answers.coin)
        #expect(bench.shownValues == ["2025-11-20T07:00:00 84210.12 USD r0"])
        #expect(bench.values.first?.name == "price")
        #expect(bench.states == [.starting, .starting, .live, .refused])
        #expect(
            bench.engine.status.feeds[1].reason
                == "CoinGecko has no 'ethereum': write its name like bitcoin")
        let path = "/api/v3/simple/price"
        // The same again, another price of the same second, one of a cache that is behind, none.
        try bench.serve(path, Answers.coin)
        try bench.serve(path, #"{"bitcoin":{"usd":1.2e-06,"last_updated_at":1763622000}}"#)
        try bench.serve(path, #"{"bitcoin":{"usd":7,"last_updated_at":1763621999}}"#)
        try bench.serve(path, #"{"bitcoin":{"usd":null,"last_updated_at":null}}"#)
        try bench.serve(path, #"{"bitcoin":{"usd":7,"last_updated_at":1763622060}}"#)
        #expect(
            bench.shownValues.dropFirst() == [
                "2025-11-20T07:00:00 0.0000012 USD r1", "2025-11-20T07:01:00 7 USD r0",
            ])
        #expect(bench.engine.counters.older == 1 && bench.gaps.isEmpty)
    }

    @Test(
        "more coins than fit one request are asked for in turn, at the pace of the limits",
        arguments: [(1_100, 0, [515, 515, 70]), (300, 50, [115, 115, 70])])
    func manyCoins(count: Int, filler: Int, expected: [Int]) throws {
        var bench = PolledBench(.coingecko)
        let begun = try (0..<count).map { number in
            let name = String(repeating: "x", count: filler) + "coin-\(1_000 + number)"
            return PolledEngine.Begun(
                number: UInt32(number),
                instrument: try PolledBench.instrument("c\(number)", provider: name),
                reached: .undefined)
        }
        bench.engine.follow(begun: begun, ended: [], bench.now, into: &bench.out)
        var counts: [Int] = []
        for _ in expected {
            let request = try bench.due(within: 10 * Self.second)
            counts.append(request.series.count)
            // Commas are written as three bytes.
            let names = request.series.joined(separator: "%2C").utf8.count
            #expect(names <= PolledLimits.coinBytesPerRequest)
            #expect(bench.pass(2 * Self.second) == nil)
            let coins = request.series.map { "\"\($0)\":{\"usd\":1,\"last_updated_at\":1}" }
            bench.answer(request, "{\(coins.joined(separator: ","))}")
        }
        #expect(counts == expected && bench.values.count == count)
        #expect(bench.next(within: 280 * Self.second) == nil)
    }

    @Test("a month's requests of a free key of CoinGecko last for a month")
    func month() {
        let month: Int64 = 31 * 86_400
        #expect(month * Self.second / PolledTable.coingecko.usualEvery <= 10_000)
    }

    @Test("coins that begin at different times become one request")
    func joined() throws {
        var bench = PolledBench(.coingecko) { $0.every = 60 * Self.second }
        try bench.begin("bitcoin")
        try bench.serve("/api/v3/simple/price", Answers.coin)
        bench.pass(40 * Self.second)
        let later = PolledEngine.Begun(
            number: 1, instrument: try PolledBench.instrument("ethereum"), reached: .undefined)
        bench.engine.follow(begun: [later], ended: [], bench.now, into: &bench.out)
        let price = #"{"usd":1,"last_updated_at":9}"#
        let both = "{\"bitcoin\":\(price),\"ethereum\":\(price)}"
        var times: [Int64] = []
        for _ in 0..<4 {
            let request = try bench.due()
            #expect(Set(request.series) == ["bitcoin", "ethereum"])
            times.append(bench.elapsed / Self.second)
            bench.answer(request, both)
        }
        #expect(times == [40, 100, 160, 220])
    }

    @Test("the index's label is kept as it was sent")
    func index() throws {
        var bench = PolledBench(.alternativeMe)
        try bench.begin("fng")
        try bench.serve("/fng/", Answers.index)
        #expect(bench.shownValues == ["2026-06-02T00:00:00 23 Extreme Fear r0"])
        try bench.serve("/fng/", Answers.index.replacing("Extreme Fear", with: "Fear"))
        #expect(bench.shownValues.last == "2026-06-02T00:00:00 23 Fear r1")
    }

    @Test("an outage is one pair of records, from the last good answer to the next one")
    func outage() throws {
        var bench = PolledBench(.coingecko)
        try bench.begin("bitcoin")
        let first = try bench.due()
        // What changes while the answer is under way may not be in it.
        bench.pass(5 * Self.second)
        bench.answer(first, Answers.coin)
        for _ in 0..<5 {
            bench.end(try bench.due(), .failed("no connection"))
        }
        #expect(bench.shownGaps == ["open 0-"])
        #expect(bench.gaps.first?.detail == "no connection")
        #expect(bench.engine.status.state == .failing && bench.engine.status.failures == 5)
        try bench.serve("/api/v3/simple/price", Answers.coin)
        let end = (bench.engine.status.polledTo.nanoseconds - PolledBench.start) / Self.second
        #expect(bench.shownGaps == ["open 0-", "open 0-\(end)", "abandoned 0-\(end)"])
        #expect(bench.engine.counters.outages == 1)
    }

    @Test("what becomes due while requests fail has an outage, from its own last good answer on")
    func dueMeanwhile() throws {
        var bench = PolledBench(.coingecko) { $0.every = 60 * Self.second }
        let path = "/api/v3/simple/price"
        try bench.begin("bitcoin")
        try bench.serve(path, Answers.coin)
        bench.pass(30 * Self.second)
        // Another currency is a request of its own.
        let later = PolledEngine.Begun(
            number: 1, instrument: try PolledBench.instrument("ethereum", currency: "EUR"),
            reached: .undefined)
        bench.engine.follow(begun: [later], ended: [], bench.now, into: &bench.out)
        let price = #"{"eur":1,"last_updated_at":9}"#
        try bench.serve(path, "{\"ethereum\":\(price)}")
        try bench.serve(path, "slow down", status: 429)
        #expect(bench.shownGaps == ["open 0-"])
        // A minute passes, in which the price of 30 s may have changed more than once.
        try bench.serve(path, Answers.coin)
        #expect(bench.shownGaps == ["open 0-", "open 30-", "open 0-120", "abandoned 0-120"])
    }

    @Test("what is due for a minute without an answer has an outage, and says why")
    func slowAnswer() throws {
        var bench = PolledBench(.coingecko)
        try bench.begin("bitcoin")
        try bench.serve("/api/v3/simple/price", Answers.coin)
        let asked = try bench.due()
        bench.pass(59 * Self.second)
        #expect(bench.shownGaps == [])
        bench.pass(2 * Self.second)
        #expect(bench.shownGaps == ["open 0-"])
        #expect(bench.gaps.first?.detail == "no answer came in time")
        #expect(bench.engine.status.feeds.first?.reason == "no answer came in time")
        bench.answer(asked, Answers.coin)
        #expect(bench.shownGaps.count == 3 && bench.engine.status.feeds.first?.reason == "")
    }

    @Test("three periods without a good answer: the feed is down, and live after the next one")
    func silence() throws {
        var bench = PolledBench(.coingecko)
        try bench.begin("bitcoin")
        try bench.serve("/api/v3/simple/price", Answers.coin)
        while bench.states.last == .live {
            if let request = bench.next(within: Self.second) {
                bench.end(request, .failed("no connection"))
            }
        }
        let since = bench.now.wall.nanoseconds - bench.engine.status.polledTo.nanoseconds
        #expect(bench.states.last == .down && since / Self.second == 900)
        try bench.serve("/api/v3/simple/price", Answers.coin)
        #expect(bench.states.last == .live)
    }

    @Test("how many series wait, until when the last one is asked for, and why")
    func limits() throws {
        var bench = PolledBench(.fred)
        try bench.begin("DGS10", "DGS2", "UNRATE")
        #expect(
            bench.engine.limits(bench.now.monotonic) == [
                ProviderLimit(
                    .requests, used: 0, max: 100, waiting: 3,
                    until: bench.now.monotonic + 2 * PolledTable.fred.pace)
            ])
        let request = try bench.due()
        // The one that is under way does not wait.
        #expect(bench.engine.limits(bench.now.monotonic).first?.waiting == 2)
        bench.answer(request, "slow down", status: 429, retryAfter: 90 * Self.second)
        #expect(
            bench.engine.limits(bench.now.monotonic) == [
                ProviderLimit(
                    .requests, used: 1, max: 100, waiting: 3,
                    until: bench.now.monotonic + 90 * Self.second + 2 * PolledTable.fred.pace,
                    reason: "FRED answers with status 429 and no JSON: wait, or raise FRED_EVERY")
            ])
        // CoinGecko's coins come together.
        var coins = PolledBench(.coingecko)
        try coins.begin("bitcoin", "ethereum")
        #expect(
            coins.engine.limits(coins.now.monotonic) == [
                ProviderLimit(
                    .requests, used: 0, max: 24, waiting: 2, until: coins.now.monotonic)
            ])
    }

    @Test("the service's wait is kept, and a minute without one")
    func limited() throws {
        for (retryAfter, seconds) in [(Int64(300) * Self.second, 300), (nil, 60)] {
            var bench = PolledBench(.coingecko)
            try bench.begin("bitcoin")
            let request = try bench.due()
            bench.answer(request, "slow down", status: 429, retryAfter: retryAfter)
            #expect(bench.next(within: Int64(seconds - 2) * Self.second) == nil)
            #expect(bench.next(within: 4 * Self.second) != nil)
            #expect(bench.engine.counters.limited == 1)
        }
    }

    @Test("no request is sooner after the one before than the pace of the service")
    func pace() throws {
        var bench = PolledBench(.fred)
        try bench.begin("DGS2", "DGS10", "DFF")
        for _ in 0..<6 {
            let request = try bench.due(within: Self.second)
            #expect(bench.pass(590_000_000) == nil)
            let isFacts = request.path == "/fred/series"
            bench.answer(
                request, isFacts ? Answers.facts() : Answers.observations([("2026-11-18", "1")]))
        }
        #expect(bench.values.count == 3)
        #expect(bench.next(within: 3_500 * Self.second) == nil)
    }

    @Test("a series that FRED does not have is refused; the others go on")
    func refusedSeries() throws {
        var bench = PolledBench(.fred)
        try bench.begin("NONE", "DGS10")
        try bench.serve(
            "/fred/series",
            #"{"error_code":400,"error_message":"Bad Request. The series does not exist."}"#,
            status: 400)
        #expect(bench.states == [.starting, .starting, .refused])
        try bench.serve("/fred/series", Answers.facts())
        try bench.serve("/fred/series/observations", Answers.observations([("2026-11-18", "1")]))
        #expect(bench.states.last == .live && bench.values.count == 1)
        #expect(bench.engine.status.polledTo.isDefined)
    }

    @Test("a key that is not taken refuses all series, and is in no text")
    func refusedKey() throws {
        let key = "0123456789abcdef0123456789abcdef"
        let said = """
            {"error_code":400,"error_message":"Bad Request. The value for variable api_key is not \
            registered: \(key)"}
            """
        var bench = PolledBench(.fred) { $0.hidden = HiddenTexts([key]) }
        try bench.begin("DGS2", "DGS10")
        try bench.serve("/fred/series", said, status: 400)
        #expect(bench.states.filter { $0 == .refused }.count == 2)
        let everything =
            "\(bench.records) \(bench.notes) \(bench.engine.status) \(bench.engine.settings)"
        #expect(everything.contains("api_key is not registered") && !everything.contains(key))
        var dumped = ""
        dump(bench.engine, to: &dumped)
        #expect(!dumped.contains(key))
        #expect(bench.next(within: 59 * Self.second) == nil)
    }

    @Test(
        "a request that is refused for another reason than a key is asked again soon",
        arguments: [
            (.coingecko, "bitcoin", 403, false), (.coingecko, "bitcoin", 401, true),
            (.alternativeMe, "fng", 403, false), (.alternativeMe, "fng", 401, false),
            (.fred, "DGS10", 403, true),
        ] as [(PolledTable, String, Int, Bool)])
    func forbidden(table: PolledTable, series: String, status: Int, isOfKey: Bool) throws {
        let said = "Please add a descriptive User-Agent to your request. For higher rate limits"
        var bench = PolledBench(table)
        try bench.begin(series)
        bench.answer(
            try bench.due(),
            #"{"status":{"error_code":\#(status),"error_message":"\#(said)"}}"#, status: status)
        #expect(bench.engine.status.state == (isOfKey ? .refused : .failing))
        #expect(
            bench.engine.status.reason.hasPrefix("\(table.title) says \(said) (status \(status)): ")
        )
        #expect(bench.states == (isOfKey ? [.starting, .refused] : [.starting]))
        #expect((bench.next(within: 30 * Self.second) == nil) == isOfKey)
    }

    @Test("what is refused is asked for again after a minute, then more rarely; a key less so")
    func refusedWaits() throws {
        let key = #"{"status":{"error_code":10002,"error_message":"no"}}"#
        for (text, status, wanted) in [
            (key, 401, [0, 60, 120, 240, 300, 300, 300, 300, 300]),
            ("{}", 200, [0, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]),
        ] as [(String, Int, [Int64])] {
            var bench = PolledBench(.coingecko) { $0.every = 60 * Self.second }
            try bench.begin("bitcoin")
            var waits: [Int64] = []
            for _ in 0..<9 {
                let before = bench.elapsed
                let request = try bench.due()
                waits.append((bench.elapsed - before) / Self.second)
                bench.answer(request, text, status: status)
            }
            #expect(waits == wanted)
            // A good answer makes the next wait a short one again.
            try bench.serve("/api/v3/simple/price", Answers.coin)
            #expect(bench.states.last == .live)
            try bench.serve("/api/v3/simple/price", text, status: status)
            #expect(bench.next(within: 59 * Self.second) == nil)
            #expect(bench.next(within: 2 * Self.second) != nil)
        }
    }

    @Test("CoinGecko's codes of keys are known, whatever the status")
    func coinGeckoKeys() throws {
        for code in [10_002, 10_010, 10_011] {
            var bench = PolledBench(.coingecko)
            try bench.begin("bitcoin")
            let text = #"{"status":{"error_code":\#(code),"error_message":"no"}}"#
            try bench.serve("/api/v3/simple/price", text, status: 400)
            #expect(bench.states.last == .refused && bench.engine.status.state == .refused)
        }
    }

    @Test(
        "what is no good answer is a failure with a reason",
        arguments: [
            ("", 200), ("[]", 200), ("null", 200), ("{", 200), ("<html>", 502), ("{}", 500),
            (#"{"status":{"error_code":500}}"#, 200), (#"{"error":"coin not found"}"#, 404),
        ])
    func failures(_ text: String, _ status: Int) throws {
        var bench = PolledBench(.coingecko)
        try bench.begin("bitcoin")
        try bench.serve("/api/v3/simple/price", text, status: status)
        #expect(bench.engine.status.state == .failing)
        #expect(bench.engine.status.reason.contains("CoinGecko"))
    }

    @Test("a value that does not fit is on record as a gap with its text, once")
    func misfit() throws {
        var bench = try polled([("2026-11-18", "1e40")])
        try bench.serve("/fred/series/observations", Answers.observations([("2026-11-18", "1e40")]))
        #expect(bench.values.isEmpty && bench.gaps.count == 1)
        #expect(bench.gaps.first?.reason == GapReason.dropped.rawValue)
        #expect(bench.gaps.first?.detail.contains("'1e40'") ?? false)
        try bench.serve("/fred/series/observations", Answers.observations([("2026-11-18", "1")]))
        #expect(bench.shownValues == ["2026-11-18T00:00:00 1 % r1"])
    }

    @Test("instruments that no service has are refused with what to write")
    func problems() throws {
        let cases: [(PolledTable, Instrument, String)] = [
            (.fred, try PolledBench.instrument("DGS10", feeds: .level1), "feeds: indicators"),
            (.fred, try PolledBench.instrument("A&b"), "write it like DGS10"),
            (.alternativeMe, try PolledBench.instrument("fear"), "write fng"),
            (.coingecko, try PolledBench.instrument("bitcoin", currency: ""), "currency: USD"),
        ]
        for (table, instrument, text) in cases {
            var bench = PolledBench(table)
            let begun = PolledEngine.Begun(
                number: 0, instrument: instrument, reached: .undefined)
            bench.engine.follow(begun: [begun], ended: [], bench.now, into: &bench.out)
            bench.keep()
            #expect(bench.states == [.refused])
            #expect(bench.engine.status.feeds.first?.reason.contains(text) ?? false)
            #expect(bench.next(within: 10 * Self.second) == nil)
        }
    }

    @Test("the floor is the present, whether or not the service answers")
    func floor() throws {
        var bench = PolledBench(.fred)
        try bench.begin("DGS10")
        _ = bench.next()
        for _ in 0..<10 {
            bench.pass(Self.second)
            #expect(bench.out.floor == bench.now.wall)
        }
        let before = bench.out.floor
        bench.pass(Self.second / 2)
        #expect(bench.out.floor == before)
    }

    @Test("the end leaves a gap without an end, and then the end of the subscription")
    func stop() throws {
        var bench = try polled([("2026-11-18", "4.11")])
        bench.engine.stop(bench.now, into: &bench.out)
        bench.keep()
        guard case .tape(.gap(let gap)) = bench.records[bench.records.count - 2],
            case .tape(.subscription(let end)) = bench.records[bench.records.count - 1]
        else {
            Issue.record("\(bench.records)")
            return
        }
        #expect(gap.reason == GapReason.gatewayLost.rawValue && !gap.to.isDefined)
        #expect(end.action == SubscriptionAction.stop.rawValue)
        #expect(bench.engine.nextDue == .never)
    }

    @Test("an instrument that ends and begins again goes on with what it knew")
    func again() throws {
        var bench = try polled([("2026-11-18", "4.11")])
        let begun = PolledEngine.Begun(
            number: 0, instrument: try PolledBench.instrument("DGS10"), reached: .undefined)
        bench.engine.follow(begun: [], ended: [0], bench.now, into: &bench.out)
        #expect(bench.next(within: 4_000 * Self.second) == nil)
        bench.engine.follow(begun: [begun], ended: [], bench.now, into: &bench.out)
        try bench.serve(
            "/fred/series/observations",
            Answers.observations([("2026-11-18", "4.11"), ("2026-11-19", "4.2")]))
        #expect(
            bench.shownValues == ["2026-11-18T00:00:00 4.11 % r0", "2026-11-19T00:00:00 4.2 % r0"])
    }
}
