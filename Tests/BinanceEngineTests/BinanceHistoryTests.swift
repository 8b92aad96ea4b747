import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import Testing

@testable import BinanceEngine

@Suite("A load of past trades")
struct BinanceHistoryTests {
    private static let second: Int64 = 1_000_000_000
    /// In milliseconds.
    private static let start: Int64 = 1_780_000_000_000

    /// An exchange's past: trades by symbol, in the order of their ids.
    fileprivate struct Past {
        struct Item {
            var id: UInt64
            var time: Int64
            var size = "1"
        }

        var items: [String: [Item]] = [:]

        /// `most`: the trades of a page.
        func answer(_ request: BinancePastRequest, most: Int = .max) -> [UInt8] {
            let own = items[request.symbol] ?? []
            if let start = request.integer("startTime") {
                let first = own.first { $0.time >= start }
                return Array(first.map { "[{\"f\":\($0.id)}]" }?.utf8 ?? "[]".utf8)
            }
            let from = UInt64(request.query["fromId"] ?? "") ?? 0
            let count = min(most, Int(request.integer("limit") ?? 0))
            let list = own.drop { $0.id < from }.prefix(count).map {
                "{\"id\":\($0.id),\"price\":\"1.5\",\"qty\":\"\($0.size)\",\"time\":\($0.time)}"
            }
            return Array("[\(list.joined(separator: ","))]".utf8)
        }
    }

    private typealias Bench = HistoryBench<BinanceHistoryService>

    fileprivate static func stamp(_ milliseconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: (start + milliseconds) * 1_000_000)
    }

    private func past(_ items: [String: [(UInt64, Int64)]]) -> Past {
        Past(
            items: items.mapValues { list in
                list.map { Past.Item(id: $0.0, time: Self.start + $0.1) }
            })
    }

    @Test("what lies in the range comes in the order of time, and of symbols at one time")
    func order() throws {
        var bench = Bench(from: 10, to: 50)
        try bench.begin(["A", "B", "C"])
        bench.run(
            past([
                "A": [(1, 9), (2, 10), (3, 30), (4, 49), (5, 50)],
                "B": [(7, 10), (8, 20), (9, 30)], "C": [(1, 60)],
            ]))
        #expect(bench.history.phase == .finished)
        #expect(bench.trades.map(\.header.providerID) == [2, 7, 8, 3, 9, 4])
        #expect(bench.trades.map(\.header.symbol) == [0, 1, 1, 0, 1, 0])
        #expect(bench.trades.allSatisfy { $0.header.flags.isEmpty })
        #expect(bench.gaps.isEmpty && bench.out.floor == Self.stamp(50))
        #expect(bench.subscriptions.map(\.action) == [1, 1, 1, 2, 2, 2])
        #expect(
            bench.subscriptions.allSatisfy { $0.mode == FeedMode.historical.rawValue })
        #expect(bench.subscriptions.first?.header.providerTime == Self.stamp(10))
        #expect(bench.subscriptions.last?.header.providerTime == Self.stamp(50))
        // Definitions come first, and say since when all is there.
        guard case .definition(let first)? = bench.records.first else {
            Issue.record("no definition")
            return
        }
        #expect(first.since == Self.stamp(10) && first.provider == "binance-history")
    }

    @Test("ids that do not come, numbers that do not fit, and the id 0 are gaps")
    func gaps() throws {
        var bench = Bench()
        try bench.begin(["A"])
        var past = past(["A": [(0, 1), (1, 2), (5, 10), (6, 11)]])
        past.items["A"]?[3].size = "0.0000000001"
        bench.run(past)
        #expect(bench.trades.map(\.header.providerID) == [1, 5])
        #expect(
            bench.gaps.map(\.reason)
                == [GapReason.scale, .providerLoss, .scale].map(\.rawValue))
        #expect(bench.gaps[1].from == Self.stamp(2) && bench.gaps[1].to == Self.stamp(10))
        #expect(bench.gaps[1].detail == "trade ids 2 to 4 did not come")
        #expect(bench.gaps.allSatisfy { $0.state == GapState.abandoned.rawValue })
    }

    @Test("a range whose end is not a minute ago, and too many symbols, cannot be loaded")
    func refused() throws {
        var late = Bench(to: 3_540_001)
        try late.begin(["A"])
        #expect(late.history.phase == .failed && late.turn() == nil)
        var most = Bench()
        try most.begin((0...HistoryLimits.symbolsMax).map { "S\($0)" })
        #expect(most.history.phase == .failed && most.history.problem?.contains("200") == true)
    }

    @Test("a symbol that the exchange lacks ends the load; other failures are tried again")
    func failures() throws {
        var bench = Bench()
        try bench.begin(["A"])
        for outcome in [
            StreamAnswer.failed("no answer"), .limited(retryAfter: nil, isBanned: false),
            .limited(retryAfter: Self.second, isBanned: true), .page(Array("{}".utf8)),
        ] {
            let next = bench.turn()
            let request = try #require(next)
            let before = bench.time
            bench.history.answered(request.number, outcome, bench.now)
            #expect(bench.history.phase == .loading && bench.history.problem != nil)
            #expect(bench.history.nextDue.nanoseconds >= before)
        }
        // An answer to a request of before changes nothing.
        bench.history.answered(1, .unknownSymbol, bench.now)
        #expect(bench.history.phase == .loading)
        let next = bench.turn()
        let request = try #require(next)
        bench.history.answered(request.number, .unknownSymbol, bench.now)
        #expect(bench.history.phase == .failed)
        #expect(bench.history.problem == "the exchange has no symbol A: check how it is written")
    }

    @Test("a load says how long its symbols wait for the exchange, and why")
    func limits() throws {
        var bench = Bench()
        try bench.begin(["A", "B"])
        let next = bench.turn()
        let request = try #require(next)
        #expect(
            bench.history.limits(bench.now.monotonic) == [
                ProviderLimit(.weight, used: 0, max: 3_000)
            ])
        bench.history.answered(
            request.number, .limited(retryAfter: 9 * Self.second, isBanned: false), bench.now)
        #expect(
            bench.history.limits(bench.now.monotonic) == [
                ProviderLimit(
                    .weight, used: 25, max: 3_000, waiting: 2,
                    until: bench.now.monotonic + 9 * Self.second, reason: "429: too many requests")
            ])
    }

    @Test("where the last trade is not known, nothing before the watermark comes again")
    func unknownLast() throws {
        var bench = Bench(from: 10, to: 50)
        let marks = ["A": Self.stamp(30), "B": Self.stamp(50)]
        try bench.begin(["A", "B"], marks: marks, promised: Self.stamp(30))
        #expect(bench.out.floor == Self.stamp(30))
        bench.run(past(["A": [(1, 10), (2, 29), (3, 30), (4, 49)], "B": [(1, 20), (2, 49)]]))
        #expect(bench.trades.map(\.header.providerID) == [3, 4])
        #expect(bench.history.phase == .finished)
    }

    @Test("a last trade that is older than the watermark does not bring trades again")
    func staleLast() throws {
        var bench = Bench(to: 50)
        try bench.begin(
            ["A"], last: ["A": (id: 1, time: Self.stamp(1))], marks: ["A": Self.stamp(30)])
        bench.run(past(["A": [(1, 1), (2, 2), (3, 29), (4, 30), (5, 49), (6, 50)]]))
        #expect(bench.trades.map(\.header.providerID) == [4, 5] && bench.gaps.isEmpty)
    }

    @Test("a range that the source has passed cannot be loaded")
    func passed() throws {
        var bench = Bench(to: 50)
        try bench.begin(["A"], marks: ["A": Self.stamp(51)])
        #expect(bench.history.phase == .failed)
        #expect(bench.history.problem?.contains("has reached") == true)
    }

    @Test("an answer without trades, or with few, is no proof that there are no more")
    func fewAtATime() throws {
        var bench = Bench(to: 50)
        try bench.begin(["A"])
        let past = past(["A": [(1, 1), (2, 2), (3, 3), (4, 60)]])
        var requests = 0
        for _ in 0..<100 where bench.history.phase == .loading {
            guard let request = bench.turn() else { continue }
            requests += 1
            // Each second answer is empty, and the others have one trade.
            let answer = requests % 2 == 0 ? Array("[]".utf8) : past.answer(request, most: 1)
            bench.history.answered(request.number, .page(answer), bench.now)
        }
        _ = bench.turn()
        #expect(bench.trades.map(\.header.providerID) == [1, 2, 3] && bench.gaps.isEmpty)
    }

    @Test("ids that are missing before the first trade that comes are a gap, too")
    func firstMissing() throws {
        var bench = Bench(to: 50)
        try bench.begin(["A"])
        let asked = bench.turn()
        let lookUp = try #require(asked)
        bench.history.answered(lookUp.number, .page(Array("[{\"f\":5}]".utf8)), bench.now)
        bench.run(past(["A": [(8, 20), (9, 60)]]))
        #expect(bench.trades.map(\.header.providerID) == [8])
        #expect(bench.gaps.map(\.detail) == ["trade ids 5 to 7 did not come"])
    }

    @Test("the largest id does not end the process")
    func largestID() throws {
        var bench = Bench()
        try bench.begin(["A"], last: ["A": (id: UInt64.max - 2, time: Self.stamp(1))])
        bench.run(past(["A": [(UInt64.max - 1, 2), (UInt64.max, 3)]]))
        #expect(bench.history.phase == .failed)
    }

    @Test("answers that are none are not asked for without an end")
    func unusable() throws {
        var bench = Bench()
        try bench.begin(["A"])
        var requests = 0
        while let request = bench.turn() {
            requests += 1
            bench.history.answered(request.number, .page(Array("[{}]".utf8)), bench.now)
        }
        #expect(requests == HistoryLimits.uselessAnswersMax && bench.history.phase == .failed)
    }

    @Test("through failures and kills each trade comes once, and the floor never lies")
    func kills() throws {
        for seed in Seeds(fixed: 1...60, weight: 0.3).all() {
            var random = SeededRandom(seed: seed)
            var past = Past()
            for symbol in KilledLoads.symbols {
                var time: Int64 = -100
                past.items[symbol] = (0..<Int.random(in: 0...4_000, using: &random)).map { place in
                    time += Int64.random(in: 0...40, using: &random)
                    return Past.Item(id: UInt64(place + 1), time: Self.start + time)
                }
            }
            let loads = try KilledLoads(using: &random, { Bench() }) { past.answer($0) }
            #expect(loads.isFloorKept, "\(seed)")
            for symbol in KilledLoads.symbols {
                let ids = (past.items[symbol] ?? [])
                    .filter { $0.time >= Self.start && $0.time < Self.start + 60_000 }.map(\.id)
                #expect(
                    loads.trades(of: symbol).map(\.header.providerID) == ids, "\(seed) \(symbol)")
            }
        }
    }
}

extension HistoryBench<BinanceHistoryService> {
    fileprivate init(from: Int64 = 0, to: Int64 = 60_000) {
        self.init(
            BinanceHistoryService(),
            BinanceHistory.Settings(
                provider: "binance-history", from: BinanceHistoryTests.stamp(from),
                to: BinanceHistoryTests.stamp(to), seed: 1),
            at: BinanceHistoryTests.stamp(3_600_000), Kind(.crypto, .trades))
    }

    fileprivate mutating func run(_ past: BinanceHistoryTests.Past) { run { past.answer($0) } }
}
