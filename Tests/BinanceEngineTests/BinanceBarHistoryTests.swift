import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import Testing

@testable import BinanceEngine

@Suite("A load of the exchange's bars")
struct BinanceBarHistoryTests {
    /// A Thursday, at the beginning of a day.
    private static let start: Int64 = 1_780_012_800_000
    private static let hour: Int64 = 3_600_000

    fileprivate static func stamp(_ hours: Int64, _ milliseconds: Int64 = 0) -> Timestamp {
        Timestamp(nanoseconds: (start + hours * hour + milliseconds) * 1_000_000)
    }

    /// An exchange's bars of an hour: by symbol, the hours in which they begin.
    struct Past {
        var hours: [String: [Int64]] = [:]
        /// The hours whose volume does not fit, and those that end half an hour early.
        var misfits: Set<Int64> = []
        var short: Set<Int64> = []

        /// `isAny`: whatever is asked for.
        func answer(_ request: BinancePastRequest, isAny: Bool = false) -> [UInt8] {
            guard request.endpoint == "klines" else { return Array("{}".utf8) }
            let all = (hours[request.symbol] ?? []).map { ($0, start + $0 * hour) }
            let count = Int(request.integer("limit") ?? 0)
            let found =
                if isAny {
                    all
                } else if let from = request.integer("startTime") {
                    Array(all.filter { $0.1 >= from }.prefix(count))
                } else {
                    Array(all.filter { $0.1 <= request.integer("endTime") ?? 0 }.suffix(count))
                }
            let rows = found.map { number, open in
                let end = open + (short.contains(number) ? hour / 2 : hour) - 1
                let volume = misfits.contains(number) ? "0.0000000001" : "12345678901234.00000001"
                return
                    "[\(open),\"1.5\",\"2.00000001\",\"1\",\"1.75\",\"\(volume)\",\(end),"
                    + "\"0\",7,\"0\",\"0\",\"0\"]"
            }
            return Array("[\(rows.joined(separator: ","))]".utf8)
        }
    }

    private typealias Bench = HistoryBench<BinanceHistoryService>

    private static func hours(_ bars: [ProviderBar]) -> [Int64] {
        bars.map { $0.openTime.nanoseconds(since: stamp(0)) / 3_600_000_000_000 }
    }

    @Test("a bar is as long as its word says", arguments: BarLength.allCases)
    func lengths(_ length: BarLength) {
        let seconds: [Character: Int64] = [
            "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800,
        ]
        let letter = "\(length.unit)".prefix(1)
        #expect(length.rawValue == "\(length.count)\(letter)")
        let unit = letter.first.flatMap { seconds[$0] } ?? 0
        #expect(length.nanoseconds == length.count * unit * 1_000_000_000)
    }

    @Test("bars of the range come in the order of their ends, and of symbols at one time")
    func order() throws {
        var bench = Bench(from: Self.stamp(1), to: Self.stamp(3))
        try bench.begin(["A", "B", "C"])
        // B is younger than the range begins, and C than it ends.
        bench.run(Past(hours: ["A": [0, 1, 2, 3], "B": [2, 3], "C": [4]]))
        #expect(bench.history.phase == .finished && bench.gaps.isEmpty)
        #expect(bench.bars.map(\.header.symbol) == [0, 0, 1])
        #expect(Self.hours(bench.bars) == [1, 2, 2])
        #expect(bench.out.floor == Self.stamp(3) && bench.history.records == 3)
        #expect(bench.subscriptions.map(\.kind) == Array(repeating: 4, count: 6))
        #expect(bench.subscriptions.allSatisfy { $0.mode == FeedMode.historical.rawValue })
    }

    @Test("a bar has the exchange's numbers, its end as event time, and the number of its window")
    func content() throws {
        var bench = Bench(to: Self.stamp(1))
        try bench.begin(["A"])
        bench.run(Past(hours: ["A": [0, 1]]))
        let bar = try #require(bench.bars.first)
        #expect(bench.bars.count == 1)
        #expect(bar.openTime == Self.stamp(0) && bar.closeTime == Self.stamp(1))
        #expect(bar.header.providerTime == bar.closeTime && bar.header.flags == .conflated)
        #expect(bar.header.providerID == UInt64(Self.start / Self.hour))
        #expect(bar.kind == ProviderBarKind.trades.rawValue && bar.flags.isEmpty)
        let prices = [bar.open, bar.high, bar.low, bar.close].map(\.raw)
        #expect(prices == [1_500_000_000, 2_000_000_010, 1_000_000_000, 1_750_000_000])
        #expect(bar.volume == 1_234_567_890_123_400_000_001 && bar.trades == 7)
        #expect(bar.vwap == .undefined)
    }

    @Test("bars that do not follow each other, at the ends of the range too, are gaps")
    func holes() throws {
        var bench = Bench(from: Self.stamp(0), to: Self.stamp(10))
        try bench.begin(["A"])
        // Of hour 6 only the first half is there.
        bench.run(Past(hours: ["A": [-5, 2, 3, 6, 7, 12]], short: [6]))
        #expect(Self.hours(bench.bars) == [2, 3, 6, 7])
        #expect(
            bench.gaps.map(\.from) == [0, 4, 6, 8].map { Self.stamp($0, $0 == 6 ? 1_800_000 : 0) })
        #expect(bench.gaps.map(\.to) == [2, 6, 7, 10].map { Self.stamp($0) })
        #expect(bench.gaps.allSatisfy { $0.reason == GapReason.providerLoss.rawValue })
        #expect(bench.gaps.allSatisfy { $0.state == GapState.abandoned.rawValue })
        #expect(bench.gaps.allSatisfy { $0.kind == DataKind.providerBar.rawValue })
        #expect(bench.gaps.allSatisfy { $0.detail == "bars before this time did not come" })
    }

    @Test("a bar whose numbers do not fit is a gap of the reason scale, and no other")
    func misfit() throws {
        var bench = Bench(to: Self.stamp(3))
        try bench.begin(["A"])
        bench.run(Past(hours: ["A": [-1, 0, 1, 2, 3]], misfits: [1]))
        #expect(Self.hours(bench.bars) == [0, 2])
        #expect(bench.gaps.map(\.reason) == [GapReason.scale.rawValue])
        #expect(bench.gaps.first?.from == Self.stamp(1) && bench.gaps.first?.to == Self.stamp(2))
        #expect(bench.gaps.first?.detail == "a bar does not fit the tape, at 2.00000001")
    }

    @Test("ends of the range within a bar leave that bar out, without a gap")
    func between() throws {
        var bench = Bench(from: Self.stamp(0, 1), to: Self.stamp(3, -1))
        try bench.begin(["A"])
        bench.run(Past(hours: ["A": [-1, 0, 1, 2, 3]]))
        #expect(Self.hours(bench.bars) == [1] && bench.gaps.isEmpty)
    }

    @Test("requests follow each other by their weight, with 1,000 bars each")
    func paced() throws {
        var bench = Bench(to: Self.stamp(2_500))
        try bench.begin(["A"])
        bench.run(Past(hours: ["A": Array(-3..<3_000)]))
        #expect(bench.bars.count == 2_500)
        #expect(bench.requests.map { $0.integer("limit") } == [1, 1_000, 1_000, 1_000])
        #expect(bench.requests[0].integer("endTime") == Self.start - 1)
        #expect(
            bench.requests.last?.integer("startTime")
                == Self.stamp(2_000).nanoseconds / 1_000_000)
        #expect(bench.time == 3 * 40_000_000)
    }

    @Test("the floor stays before the end of the last bar until all of that time came")
    func floor() throws {
        var bench = Bench(to: Self.stamp(3_000))
        try bench.begin(["A", "B"])
        let past = Past(hours: ["A": Array(0..<3_001), "B": Array(0..<3_001)])
        for _ in 0..<4 {
            let next = bench.turn()
            let request = try #require(next)
            bench.history.answered(request.number, .page(past.answer(request)), bench.now)
        }
        _ = bench.turn()
        #expect(bench.bars.count == 1_999)
        #expect(bench.out.floor == Self.stamp(1_000).advanced(byNanoseconds: -1))
    }

    @Test("trades and bars of one instrument, or a list of something else, cannot be loaded")
    func refused() throws {
        var both = Bench()
        try both.begin(["A"], feeds: [.bars, .trades])
        #expect(both.history.phase == .failed)
        #expect(both.history.problem?.contains("trades or bars, and not both") == true)
        for text in ["{}", "[1]", "[[1,\"1\"]]", "[[5,\"1\",\"1\",\"1\",\"x\",\"1\",9,\"0\",7]]"] {
            var bench = Bench()
            try bench.begin(["A"])
            while let request = bench.turn() {
                bench.history.answered(request.number, .page(Array(text.utf8)), bench.now)
            }
            #expect(bench.history.problem?.contains("no list of bars") == true, "\(text)")
        }
    }

    @Test("bars in no order, or of another time, are not taken")
    func disorder() throws {
        for hours in [[0, 2, 1], [5, 5], [-9, 0]] as [[Int64]] {
            var bench = Bench()
            try bench.begin(["A"])
            let next = bench.turn()
            let first = try #require(next)
            bench.history.answered(first.number, .page(Array("[]".utf8)), bench.now)
            let all = Past(hours: ["A": hours])
            while let request = bench.turn() {
                bench.history.answered(
                    request.number, .page(all.answer(request, isAny: true)), bench.now)
            }
            #expect(bench.bars.isEmpty && bench.history.phase == .failed)
            #expect(bench.history.problem?.contains("no order") == true)
        }
    }

    // MARK: kills

    /// Makes a past with holes, which may begin within the range.
    private static func past(using random: inout SeededRandom) -> Past {
        var past = Past()
        for symbol in KilledLoads.symbols {
            let first = Int64.random(in: -100...500, using: &random)
            let all = Array(first..<Int64.random(in: first...3_600, using: &random))
            past.hours[symbol] = all.filter { _ in Int.random(in: 0..<50, using: &random) > 0 }
        }
        past.misfits = Set((0..<20).map { _ in Int64.random(in: 0...5_000, using: &random) })
        return past
    }

    @Test("through failures and kills each bar comes once, and each hole is a gap")
    func kills() throws {
        let to: Int64 = 2_500
        for seed in Seeds(fixed: 1...20, weight: 0.3).all() {
            var random = SeededRandom(seed: seed)
            let past = Self.past(using: &random)
            let loads = try KilledLoads(using: &random, { Bench(to: Self.stamp(to)) }) {
                past.answer($0)
            }
            #expect(loads.isFloorKept, "\(seed)")
            for symbol in KilledLoads.symbols { Self.expectHours(loads, past, symbol, to, seed) }
        }
    }

    /// Expects the bars of all hours of the range, and gaps of the others.
    private static func expectHours(
        _ loads: KilledLoads, _ past: Past, _ symbol: String, _ to: Int64, _ seed: UInt64
    ) {
        let all = past.hours[symbol] ?? []
        let wanted = all.filter { $0 >= 0 && $0 < to && !past.misfits.contains($0) }
        #expect(hours(loads.bars(of: symbol)) == wanted, "\(seed) \(symbol)")
        // What lies in the range between the first bar ever and the last one, and is no bar.
        var missing = Set<Int64>()
        if let first = all.first, let last = all.last, first < to, last >= 0 {
            missing = Set(max(0, first)..<min(to, last + 1)).subtracting(wanted)
        }
        let gaps = loads.gaps(of: symbol).flatMap { span -> [Int64] in
            let from = span.from.nanoseconds(since: stamp(0)) / 3_600_000_000_000
            return Array(from..<span.to.nanoseconds(since: stamp(0)) / 3_600_000_000_000)
        }
        #expect(Set(gaps) == missing, "\(seed) \(symbol)")
    }
}

extension HistoryBench<BinanceHistoryService> {
    fileprivate init(
        from: Timestamp = BinanceBarHistoryTests.stamp(0),
        to: Timestamp = BinanceBarHistoryTests.stamp(48)
    ) {
        self.init(
            BinanceHistoryService(bars: .hour),
            BinanceHistory.Settings(provider: "binance-history", from: from, to: to, seed: 1),
            at: BinanceBarHistoryTests.stamp(100_000), Kind(.crypto, .bars))
    }

    fileprivate mutating func run(_ past: BinanceBarHistoryTests.Past) {
        run { past.answer($0) }
    }
}
