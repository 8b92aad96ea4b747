import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine
@testable import EngineKit

/// Trades that did not come are asked for.
@Suite struct BinanceHoleTests {
    private static let second: Int64 = 1_000_000_000

    private func list(_ ids: [UInt64], price: String = "5.25", size: String = "1") -> [UInt8] {
        let trades = ids.map {
            "{\"id\":\($0),\"price\":\"\(price)\",\"qty\":\"\(size)\",\"time\":\(1_000 + $0)}"
        }
        return Array("[\(trades.joined(separator: ","))]".utf8)
    }

    @Test("what did not come is asked for, comes marked as fetched, and the gap is filled")
    func filled() throws {
        var bench = EngineBench.withHole()
        let fetch = try #require(bench.takeFetches().first)
        #expect(fetch.symbol == "BTCUSDT" && fetch.from == 3 && fetch.count == 4)
        #expect(bench.gapStates == [.open, .filling] && bench.holes == 1)
        bench.answer(fetch.number, .page(list([3, 4])))
        #expect(bench.gapStates == [.open, .filling])
        bench.pass(BinanceLimits.fetchInterval - 1)
        #expect(bench.takeFetches().isEmpty)
        bench.pass(1)
        let next = try #require(bench.takeFetches().first)
        #expect(next.from == 5 && next.count == 2)
        bench.answer(next.number, .page(list([5, 6, 7, 8])))
        #expect(bench.gapStates == [.open, .filling, .filled] && bench.holes == 0)
        let (first, last) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(last.from <= first.from && last.to >= first.to && last.detail == "4 trades added")
        #expect(bench.ids == [2, 7, 3, 4, 5, 6])
        let fetched = bench.trades.map { $0.header.flags.contains(.backfilled) }
        #expect(fetched == [false, false, true, true, true, true])
        #expect(bench.trades.last.map { $0.price.description } == "5.25")
        #expect(bench.engine.counters.ids.filled == 4 && bench.engine.counters.ids.lost == 0)
        #expect(bench.engine.counters.late == 0)
    }

    @Test("ids that the exchange does not have stay missing, between their neighbours")
    func partly() throws {
        var bench = EngineBench.withHole()
        bench.answer(try #require(bench.takeFetches().first).number, .page(list([3, 6])))
        #expect(bench.gapStates == [.open, .filling, .filled, .abandoned])
        let gap = try #require(bench.gaps.last)
        #expect(gap.detail == "trade ids 4 to 5 did not come")
        #expect(gap.from.nanoseconds == 1_003_000_000 && gap.to.nanoseconds == 1_006_000_000)
        #expect(bench.ids == [2, 7, 3, 6] && bench.engine.counters.ids.lost == 2)
    }

    @Test("a list that begins behind the gap ends it: nothing of it exists")
    func behind() throws {
        var bench = EngineBench.withHole()
        bench.answer(try #require(bench.takeFetches().first).number, .page(list([9])))
        #expect(bench.gapStates == [.open, .filling, .abandoned])
        let (first, last) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(last.from == first.from && last.to == first.to)
        #expect(bench.holes == 0)
    }

    @Test("a number that does not fit stays a gap of its own behind the filled one")
    func misfit() throws {
        var bench = EngineBench.withHole()
        let fetch = try #require(bench.takeFetches().first)
        bench.answer(fetch.number, .page(list([3, 4, 5, 6], size: "123456789012345.5")))
        #expect(bench.gapStates.suffix(4) == [.abandoned, .abandoned, .abandoned, .abandoned])
        #expect(bench.gaps.suffix(4).allSatisfy { $0.reason == GapReason.scale.rawValue })
        #expect(bench.engine.counters.misfits == 4)
    }

    @Test(
        "what is no list of trades is asked for again, with longer waits, and then given up",
        arguments: [
            "", "[", "{}", "[1]", #"[{"id":3}]"#, "[]",
            #"[{"id":3,"price":"x","qty":"1","time":5}]"#,
        ])
    func failures(text: String) throws {
        var bench = EngineBench.withHole()
        for turn in 1...DenseLimits.uselessAnswersMax {
            let fetch = try #require(bench.takeFetches().first, "turn \(turn)")
            bench.answer(fetch.number, .page(Array(text.utf8)))
            bench.pass(BinanceLimits.requests.failedWaitMax * 2)
        }
        #expect(bench.gapStates.suffix(1) == [.abandoned] && bench.holes == 0)
        #expect(bench.gaps.last?.detail.contains("8 times") == true)
        let (first, last) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(last.from == first.from && last.to == first.to)
    }

    @Test(
        "too many requests are waited out, as long as the exchange says",
        arguments: [
            (3_000_000_000, false, 3_000_000_000), (nil, false, BinanceLimits.requests.limitedWait),
            (nil, true, BinanceLimits.requests.bannedWait), (0, false, BinanceLimits.fetchInterval),
            (-5, true, BinanceLimits.fetchInterval),
        ] as [(Int64?, Bool, Int64)])
    func limited(retryAfter: Int64?, isBanned: Bool, wait: Int64) throws {
        var bench = EngineBench.withHole()
        bench.answer(
            try #require(bench.takeFetches().first).number,
            .limited(retryAfter: retryAfter, isBanned: isBanned))
        let due = bench.engine.machine.holes.pace.at
        #expect(due - bench.now.monotonic == wait)
        bench.time += wait
        bench.pass(0)
        #expect(bench.engine.machine.holes.asked != nil)
    }

    @Test("a refusal ends the gap; what is not wanted any more is not asked for")
    func refused() throws {
        var bench = EngineBench.withHole()
        bench.answer(try #require(bench.takeFetches().first).number, .refused("Invalid symbol."))
        #expect(bench.gaps.last?.detail.contains("Invalid symbol.") == true)
        bench.trade("BTCUSDT", 9, on: 1, at: 3_000)
        bench.pass(Self.second)
        let fetch = try #require(bench.takeFetches().first)
        bench.follow([], ended: [0])
        bench.collect()
        #expect(bench.holes == 0 && bench.gapStates.last == .abandoned)
        // The answer comes too late.
        bench.answer(fetch.number, .page(list([8])))
        #expect(bench.ids == [2, 7, 9])
    }

    @Test("ids go on where an earlier process ended", arguments: [false, true])
    func continued(hasOpenGap: Bool) throws {
        var bench = EngineBench { $0.merge.fills = true }
        let last = EngineBench.origin.advanced(byNanoseconds: -9 * Self.second)
        let gap = OpenGap(
            instrument: 1, kind: .trade, from: last, to: .undefined,
            reason: .gatewayLost)
        bench.follow(
            [(0, EngineBench.coin("BTCUSDT")), (1, EngineBench.coin("ETHUSDT"))],
            reached: hasOpenGap ? .undefined : EngineBench.origin, last: (700, last),
            gaps: hasOpenGap ? [gap] : [])
        bench.pass(0)
        // Each gap begins at the last trade on the tape, not at the end of the tape.
        #expect(bench.gaps.allSatisfy { $0.from == last && !$0.to.isDefined })
        #expect(bench.gaps.count == (hasOpenGap ? 0 : 2))
        bench.connect()
        bench.trade("BTCUSDT", 701, on: 1)
        bench.trade("ETHUSDT", 704, on: 1)
        bench.pass(Self.second)
        if hasOpenGap {
            // The first one was not on the list meanwhile, so its ids say nothing.
            #expect(bench.trades.map(\.header.symbol) == [0, 1])
        } else {
            #expect(bench.gapStates.contains(.filled))
        }
        let fetch = try #require(bench.takeFetches().first)
        #expect(fetch.symbol == "ETHUSDT" && fetch.from == 701 && fetch.count == 3)
        bench.answer(fetch.number, .page(list([701, 702, 703])))
        #expect(bench.gapStates.last == .filled && bench.engine.counters.ids.filled == 3)
        #expect(bench.engine.counters.ids.lost == 0)
    }

    @Test("a gap that an earlier process was filling is filled, where its ids are known")
    func inherited() throws {
        var bench = EngineBench { $0.merge.fills = true }
        let time = EngineBench.origin
        func gap(_ seconds: Int64, _ ids: ClosedRange<UInt64>?) -> OpenGap {
            let from = time.advanced(byNanoseconds: seconds * Self.second)
            return OpenGap(
                instrument: 0, kind: .trade, from: from,
                to: from.advanced(byNanoseconds: Self.second), reason: .disconnected, ids: ids)
        }
        bench.follow(["BTCUSDT"], gaps: [gap(-20, 3...4), gap(-10, nil)])
        bench.connect()
        #expect(bench.gapStates == [.abandoned])
        bench.pass(Self.second)
        let fetch = try #require(bench.takeFetches().first)
        #expect(fetch.from == 3 && fetch.count == 2)
        bench.answer(fetch.number, .page(list([3, 4])))
        #expect(bench.gapStates == [.abandoned, .filling, .filled])
        #expect(bench.ids == [3, 4])
    }

    @Test("a gap of a weekend is filled, request by request")
    func weekend() throws {
        var bench = EngineBench { $0.merge.fills = true }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        bench.trade("BTCUSDT", 3_000_003, on: 1, at: 2_000)
        #expect(bench.holes == 1)
        var (requests, last) = (0, GapState?.none)
        while bench.holes > 0 {
            bench.pass(BinanceLimits.fetchInterval)
            let fetch = try #require(bench.takeFetches().first, "request \(requests)")
            requests += 1
            bench.answer(
                fetch.number, .page(list((0..<UInt64(fetch.count)).map { fetch.from + $0 })))
            for case .tape(.gap(let gap)) in bench.takeRecords() {
                last = GapState(rawValue: gap.state)
            }
        }
        #expect(requests == 3_000 && last == .filled)
        #expect(bench.engine.counters.ids.filled == 3_000_000)
        #expect(bench.engine.counters.ids.lost == 0)
    }

    @Test("of a gap that lacks too many trades the newest come, and the older end stays")
    func cut() throws {
        var bench = EngineBench { $0.merge.fills = true }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        let last = 2 + DenseLimits.holeTradesMax + 40
        bench.trade("BTCUSDT", last + 1, on: 1, at: 2_000)
        bench.pass(Self.second)
        let fetch = try #require(bench.takeFetches().first)
        #expect(fetch.from == 43 && fetch.count == 1_000)
        bench.answer(fetch.number, .page(list([43, 44])))
        // It is on record before the end, for a later process.
        #expect(bench.gapStates == [.open, .filling, .abandoned])
        let (gap, lost) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(lost.from == gap.from && lost.to.nanoseconds == 1_043_000_000)
        #expect(
            lost.detail
                == "trade ids 3 to 42 did not come: more than \(DenseLimits.holeTradesMax) are "
                + "missing")
        bench.pass(Self.second)
        let next = try #require(bench.takeFetches().first)
        #expect(next.from == 45)
        bench.answer(next.number, .page(list([last + 1])))
        #expect(bench.gapStates.suffix(2) == [.filled, .abandoned])
        #expect(bench.gaps.dropLast().last?.from == lost.to)
        #expect(bench.engine.counters.ids.lost == DenseLimits.holeTradesMax + 40 - 2)
    }

    @Test("the shortest gap of all symbols comes first, and those of one symbol in their order")
    func order() throws {
        var bench = EngineBench { $0.merge.fills = true }
        bench.follow(["BTCUSDT", "ETHUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        bench.trade("ETHUSDT", 2, on: 1, at: 1_000)
        bench.trade("BTCUSDT", 2_003, on: 1, at: 2_000)
        bench.pass(Self.second)
        bench.trade("BTCUSDT", 2_005, on: 1, at: 3_000)
        bench.trade("ETHUSDT", 4, on: 1, at: 3_000)
        var asked: [String] = []
        while bench.holes > 0 {
            let fetch = try #require(bench.takeFetches().first)
            asked.append("\(fetch.symbol) \(fetch.from)")
            bench.answer(
                fetch.number, .page(list((0..<UInt64(fetch.count)).map { fetch.from + $0 })))
            bench.pass(Self.second)
        }
        #expect(asked == ["BTCUSDT 3", "ETHUSDT 3", "BTCUSDT 1003", "BTCUSDT 2004"])
    }

    @Test("a gap gets too old by requests without its trades, and not while it waits")
    func age() throws {
        var bench = EngineBench.withHole()
        var fetch = try #require(bench.takeFetches().first)
        bench.trade("BTCUSDT", 2_008, on: 1, at: 3_000)
        let start = bench.time
        while fetch.from == 3, bench.time < start + 2 * DenseLimits.holeAgeMax {
            bench.answer(fetch.number, .failed("no answer"))
            bench.pass(2 * BinanceLimits.requests.failedWaitMax)
            bench.pass(0)
            fetch = try #require(bench.takeFetches().first)
        }
        #expect(bench.time - start >= DenseLimits.holeAgeMax)
        #expect(bench.gaps.last { $0.state == GapState.abandoned.rawValue } != nil)
        #expect(fetch.from == 8 && fetch.count == 1_000)
        // Each answer with trades begins a new hour.
        for from in [8, 1_008] as [UInt64] {
            bench.pass(DenseLimits.holeAgeMax - Self.second)
            #expect(bench.engine.machine.holes.asked == fetch.number)
            bench.answer(fetch.number, .page(list(Array(from..<from + 1_000))))
            bench.pass(Self.second)
            if let next = bench.takeFetches().first { fetch = next }
        }
        #expect(bench.holes == 0 && bench.engine.counters.ids.lost == 4)
    }

    @Test("the hour of a gap does not run while others are asked for")
    func waits() {
        func hole(_ place: Int, _ last: UInt64) -> DenseHole {
            DenseHole(
                place: place, ids: 1...last, (.undefined, .undefined), .disconnected,
                reached: .undefined)
        }
        var holes = DenseHoles(nil, seed: 1)
        holes.waiting = [hole(0, 5_000)]
        holes.waiting[0].triedSince = MonotonicTime.distantPast
        holes.moveShortestToFront()
        #expect(holes.waiting[0].triedSince != nil)
        holes.waiting.append(hole(1, 10))
        holes.moveShortestToFront()
        #expect(holes.waiting.map(\.place) == [1, 0])
        #expect(holes.waiting[1].triedSince == nil)
    }

    @Test("a ban of days is waited out, and the gap is filled afterwards")
    func banned() throws {
        var bench = EngineBench.withHole()
        let days = 3 * 86_400 * Self.second
        bench.answer(
            try #require(bench.takeFetches().first).number,
            .limited(retryAfter: days, isBanned: true))
        #expect(bench.engine.machine.holes.pace.at - bench.now.monotonic == days)
        bench.pass(days - 1)
        #expect(bench.takeFetches().isEmpty)
        bench.pass(1)
        let fetch = try #require(bench.takeFetches().first)
        bench.answer(fetch.number, .page(list([3, 4, 5, 6])))
        #expect(bench.gapStates.last == .filled)
    }

    @Test("too many gaps stay")
    func limits() {
        var bench = EngineBench.withHole()
        var id: UInt64 = 8
        for _ in 0..<DenseLimits.holesMax + 5 {
            id += 2
            bench.trade("BTCUSDT", id, on: 1, at: 3_000)
        }
        #expect(bench.holes == DenseLimits.holesMax)
        #expect(bench.gapStates.last == .abandoned)
    }
}
