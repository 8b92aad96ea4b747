import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import TestSupport
import Testing

@testable import AlpacaEngine

@Suite("A load of Alpaca's past")
struct AlpacaHistoryTests {
    /// A Tuesday at noon, in nanoseconds.
    private static let start: Int64 = 1_779_796_800_000_000_000

    fileprivate static func stamp(_ nanoseconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + nanoseconds)
    }

    /// What Alpaca has: by symbol, rows in its order, with their times after `start`.
    fileprivate struct Past {
        struct Row {
            var time: Int64
            var text: String
        }

        var rows: [String: [Row]] = [:]
        /// The rows of a page, whatever is asked for.
        var most = Int.max

        func answer(_ request: AlpacaPastRequest) -> [UInt8] {
            let list = request.what == .trades ? "trades" : "bars"
            let all = (rows[request.symbol] ?? []).filter {
                let time = AlpacaHistoryTests.stamp($0.time)
                return time >= request.from && time <= request.to
            }
            let begin = Int(request.token) ?? 0
            let page = all.dropFirst(begin).prefix(min(most, request.rows))
            let end = begin + page.count
            let token = end < all.count ? "\"\(end)\"" : "null"
            let rows = page.map(\.text).joined(separator: ",")
            return Array(
                ("{\"\(list)\":{\"\(request.symbol)\":[\(rows)]},"
                    + "\"next_page_token\":\(token)}").utf8)
        }

        static func trade(
            _ time: Int64, id: Int, _ exchange: String = "V", price: String = "1.5",
            update: String = ""
        ) -> Row {
            let more = update.isEmpty ? "" : ",\"u\":\"\(update)\""
            return Row(
                time: time,
                text: "{\"t\":\"\(AlpacaHistoryTests.stamp(time))\",\"x\":\"\(exchange)\","
                    + "\"p\":\(price),\"s\":100,\"c\":[\"@\"],\"i\":\(id),\"z\":\"C\"\(more)}")
        }

        static func bar(_ time: Int64, trades: String = "7") -> Row {
            Row(
                time: time,
                text: "{\"t\":\"\(AlpacaHistoryTests.stamp(time))\",\"o\":1,\"h\":2.5,\"l\":0.5,"
                    + "\"c\":2,\"v\":300,\"n\":\(trades),\"vw\":1.23456789012}")
        }
    }

    private typealias Bench = HistoryBench<AlpacaHistoryService>

    /// Alpaca's id in the number on the tape.
    private static func id(_ trade: Trade) -> UInt64 { trade.header.providerID & (1 << 46 - 1) }

    @Test("a count that no service can have is bounded")
    func hugeCounts() {
        let huge = HistoryCounts.Row(
            from: Self.stamp(0), to: Self.stamp(1), trades: .max)
        let counts = HistoryCounts(rows: [huge, huge], hasMore: true)
        let range = Self.stamp(0)..<Self.stamp(1_000_000_000_000)
        #expect(counts.trades(in: range) == HistoryLimits.countMax)
        #expect(counts.bars(in: range).count <= HistoryLimits.countMax)
    }

    @Test("trades of all symbols come in the order of time, those of one time by their numbers")
    func order() throws {
        var bench = Bench(to: 100)
        try bench.begin(["A", "B"])
        bench.run(
            Past(
                rows: [
                    "A": [
                        Past.trade(-1, id: 1), Past.trade(0, id: 2), Past.trade(50, id: 9),
                        Past.trade(50, id: 4), Past.trade(99, id: 5), Past.trade(100, id: 6),
                    ], "B": [Past.trade(50, id: 1), Past.trade(60, id: 2)],
                ], most: 2))
        #expect(bench.history.phase == .finished && bench.gaps.isEmpty)
        #expect(bench.trades.map(Self.id) == [2, 4, 9, 1, 2, 5])
        #expect(bench.trades.map(\.header.symbol) == [0, 0, 0, 1, 1, 0])
        #expect(bench.out.floor == Self.stamp(100))
        let trade = try #require(bench.trades.first)
        #expect(trade.price.raw == 1_500_000_000 && trade.size.raw == 10_000_000_000)
        #expect(trade.conditions.text == "@" && trade.exchange.text == "V")
        #expect(trade.header.resolution == TimeResolution.nanosecond.rawValue)
    }

    @Test("a trade that was changed comes as the stream had brought it, also over a page's border")
    func changed() throws {
        for most in [1, 2, 3, 100] {
            var bench = Bench()
            try bench.begin(["A"])
            bench.run(
                Past(
                    rows: [
                        "A": [
                            Past.trade(10, id: 1, update: "canceled"),
                            Past.trade(20, id: 2, update: "incorrect"),
                            Past.trade(20, id: 700, price: "1.75", update: "corrected"),
                            Past.trade(30, id: 3, update: "incorrect"),
                            Past.trade(31, id: 4, update: "corrected"), Past.trade(40, id: 5),
                            Past.trade(50, id: 6, update: "incorrect"),
                        ]
                    ], most: most))
            let actions = bench.trades.map { TradeAction(rawValue: $0.header.action) }
            #expect(
                actions == [
                    .new, .cancel, .new, .correction, .new, .cancel, .new, .new, .new, .cancel,
                ], "\(most)")
            #expect(bench.trades.map(Self.id) == [1, 1, 2, 2, 3, 3, 4, 5, 6, 6])
            #expect(bench.trades[3].price.raw == 1_750_000_000)
            #expect(bench.trades[3].header.providerTime == Self.stamp(20))
            #expect(bench.history.records == 6)
        }
    }

    @Test("bars have the end of their window as time, the trade count and the average price")
    func bars() throws {
        let minute: Int64 = 60_000_000_000
        var bench = Bench(.fiveMinutes, to: 20 * minute + 1)
        try bench.begin(["A"])
        bench.run(Past(rows: ["A": [-5, 0, 5, 15, 20].map { Past.bar($0 * minute) }], most: 1))
        #expect(bench.bars.map(\.openTime) == [0, 5, 15].map { Self.stamp($0 * minute) })
        // Nothing proves that one is missing.
        #expect(bench.gaps.isEmpty)
        let bar = try #require(bench.bars.first)
        #expect(bar.closeTime == Self.stamp(5 * minute) && bar.header.eventTime == bar.closeTime)
        #expect(bar.trades == 7 && bar.vwap.raw == 1_234_567_890)
        #expect(bar.volume == 30_000_000_000)
        #expect(bar.header.providerID == UInt64(Self.start / (5 * minute)))
        #expect(bench.requests.first?.target.contains("timeframe=5Min&") == true)
    }

    @Test("a number that does not fit is a gap; what is no page is asked for again, not for ever")
    func unusable() throws {
        var bench = Bench()
        try bench.begin(["A"])
        bench.run(
            Past(rows: ["A": [Past.trade(1, id: 1, price: "1e30"), Past.trade(2, id: 2)]]))
        #expect(bench.trades.map(Self.id) == [2])
        #expect(bench.gaps.map(\.reason) == [GapReason.scale.rawValue])
        for text in [
            "{}", "[]", "{\"trades\":[]}", "{\"trades\":{\"A\":[{}]}}", "{\"trades\":{\"A\":[1]}}",
            "{\"trades\":{\"A\":[],\"B\":[]},\"next_page_token\":null}",
            "{\"trades\":{\"A\":[]},\"next_page_token\":7}",
        ] {
            var bench = Bench()
            try bench.begin(["A"])
            var count = 0
            while let request = bench.turn() {
                count += 1
                bench.history.answered(request.number, .page(Array(text.utf8)), bench.now)
            }
            #expect(count == HistoryLimits.uselessAnswersMax, "\(text)")
            #expect(bench.history.problem?.contains("no list of trades") == true, "\(text)")
        }
    }

    @Test("an empty page with a token is followed by the next one, and a null list is empty")
    func emptyPages() throws {
        var bench = Bench()
        try bench.begin(["A"])
        let texts = [
            "{\"trades\":{},\"next_page_token\":\"a\"}",
            "{\"trades\":null,\"next_page_token\":\"b\"}",
            "{\"trades\":{\"A\":null},\"next_page_token\":\"c\"}",
            "{\"trades\":{\"A\":[\(Past.trade(5, id: 5).text)]},\"next_page_token\":null}",
        ]
        var tokens: [String] = []
        for text in texts {
            let next = bench.turn()
            let request = try #require(next)
            tokens.append(request.token)
            bench.history.answered(request.number, .page(Array(text.utf8)), bench.now)
        }
        _ = bench.turn()
        #expect(bench.history.phase == .finished && tokens == ["", "a", "b", "c"])
        #expect(bench.trades.map(Self.id) == [5])
        // A page that names itself would be asked for without an end.
        var loop = Bench()
        try loop.begin(["A"])
        while let request = loop.turn() {
            loop.history.answered(request.number, .page(Array(texts[0].utf8)), loop.now)
        }
        #expect(loop.history.problem?.contains("names itself") == true)
    }

    @Test("a token that is refused is replaced by the time; any other refusal ends the load")
    func tokens() throws {
        var bench = Bench()
        try bench.begin(["A"])
        let past = Past(
            rows: ["A": (0..<10).map { Past.trade(Int64($0 / 2), id: $0 + 1) }], most: 3)
        for _ in 0..<100 where bench.history.phase == .loading {
            guard let request = bench.turn() else { continue }
            bench.history.answered(
                request.number,
                request.token.isEmpty
                    ? .page(past.answer(request)) : .refused("invalid page_token"), bench.now)
        }
        _ = bench.turn()
        #expect(bench.trades.map(Self.id) == Array(1...10))
        var refused = Bench()
        try refused.begin(["A"])
        let next = refused.turn()
        let request = try #require(next)
        refused.history.answered(request.number, .refused("invalid symbol"), refused.now)
        #expect(refused.history.phase == .failed)
        #expect(refused.history.problem == "A: invalid symbol")
    }

    @Test("what a feed has no past of is said")
    func problems() throws {
        var test = Bench(feed: nil)
        try test.begin(["A"])
        #expect(test.history.problem?.contains("ALPACA_HISTORY_FEED") == true)
        var coins = Bench(feed: .crypto)
        try coins.begin(["A"])
        #expect(coins.history.problem?.contains("security: crypto") == true)
        var name = Bench()
        try name.begin(["A B"])
        #expect(name.history.problem?.contains("no symbol of Alpaca") == true)
    }

    @Test("a plan is worked out of the service's bars, and says when it knows nothing")
    func plan() throws {
        let service = AlpacaHistoryService(.sip, bars: .minute)
        let minute: Int64 = 60_000_000_000
        let range = Self.stamp(minute / 2)..<Self.stamp(10 * minute)
        func counts(_ past: Past, _ question: HistoryQuestion) throws -> HistoryCounts {
            let instrument = Instrument(
                symbol: try #require(Symbol("A")), contract: .init(.stock), feeds: .trades)
            let request = service.question(1, question, of: instrument, in: range)
            return try #require(service.counts(past.answer(request), to: question))
        }
        let bars = ["A": (0..<20).map { Past.bar($0 * minute, trades: "10") }]
        // Half of the first one, and nine more.
        #expect(try counts(Past(rows: bars), .minutes).trades(in: range) == 95)
        // Of two of ten minutes it is known.
        let some = try counts(Past(rows: bars, most: 2), .minutes)
        #expect(some.hasMore && some.trades(in: range) == 95)
        #expect(try counts(Past(), .minutes).trades(in: range) == nil)
        #expect(try counts(Past(), .firstTrade).rows.isEmpty)
        let exact = try counts(Past(rows: bars), .bars).bars(in: range)
        #expect(exact.count == 9 && exact.isExact)
    }

    // MARK: kills

    @Test("through kills each trade comes once, in order, although many have one time")
    func kills() throws {
        for seed in Seeds(fixed: 1...60).all() {
            var random = SeededRandom(seed: seed)
            var past = Past(most: Int.random(in: 3...40, using: &random))
            for symbol in KilledLoads.symbols {
                var time: Int64 = -20
                past.rows[symbol] = (0..<Int.random(in: 0...400, using: &random)).map { place in
                    // Most have the time of the one before, and their ids are in no order.
                    if Int.random(in: 0..<3, using: &random) == 0 {
                        time += Int64.random(in: 1...5, using: &random)
                    }
                    return Past.trade(
                        time, id: (place * 7_919) % 100_003 + 1,
                        update: Int.random(in: 0..<20, using: &random) == 0 ? "canceled" : "")
                }
            }
            let loads = try KilledLoads(using: &random, { Bench(to: 400) }) { past.answer($0) }
            #expect(loads.isFloorKept, "\(seed)")
            for symbol in KilledLoads.symbols {
                let rows = (past.rows[symbol] ?? []).filter { (0..<400).contains($0.time) }
                let found = loads.trades(of: symbol)
                let trades = found.filter { $0.header.action == 0 }
                #expect(trades.count == rows.count, "\(seed) \(symbol)")
                #expect(Set(trades.map(\.header.providerID)).count == rows.count)
                #expect(
                    zip(trades, trades.dropFirst()).allSatisfy {
                        ($0.header.providerTime, $0.header.providerID)
                            < ($1.header.providerTime, $1.header.providerID)
                    })
                let cancelled = Set(
                    found.filter { $0.header.action != 0 }.map(\.header.providerID))
                #expect(cancelled.count == rows.count { $0.text.contains("canceled") })
            }
        }
    }
}

extension HistoryBench<AlpacaHistoryService> {
    fileprivate init(
        _ bars: BarLength? = nil, to: Int64 = 1_000_000, feed: AlpacaPastFeed? = .sip
    ) {
        self.init(
            AlpacaHistoryService(feed, bars: bars ?? .minute),
            AlpacaHistory.Settings(
                provider: "alpaca-history", from: AlpacaHistoryTests.stamp(0),
                to: AlpacaHistoryTests.stamp(to), seed: 1),
            at: AlpacaHistoryTests.stamp(3_600_000_000_000_000),
            Kind(.stock, bars == nil ? .trades : .bars))
    }

    fileprivate mutating func run(_ past: AlpacaHistoryTests.Past) { run { past.answer($0) } }
}
