import EngineKit
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// Trades that did not come are asked for.
@Suite struct BinanceHoleTests {
    private static let second: Int64 = 1_000_000_000

    /// Returns a bench whose trades 3 to 6 of BTCUSDT did not come.
    private func bench() -> EngineBench {
        var bench = EngineBench { $0.fills = true }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        bench.trade("BTCUSDT", 7, on: 1, at: 2_000)
        bench.pass(Self.second)
        return bench
    }

    private func list(_ ids: [UInt64], price: String = "5.25", size: String = "1") -> [UInt8] {
        let trades = ids.map {
            "{\"id\":\($0),\"price\":\"\(price)\",\"qty\":\"\(size)\",\"time\":\(1_000 + $0)}"
        }
        return Array("[\(trades.joined(separator: ","))]".utf8)
    }

    private func fetches(_ bench: inout EngineBench) -> [BinanceFetch] {
        bench.takeWishes().compactMap { wish in
            if case .fetch(let fetch) = wish { fetch } else { nil }
        }
    }

    private func answer(
        _ bench: inout EngineBench, _ fetch: BinanceFetch, _ outcome: BinanceFetchOutcome
    ) {
        bench.engine.fetched(fetch.number, outcome, bench.now, into: &bench.out)
        bench.collect()
    }

    private func states(_ bench: EngineBench) -> [GapState?] {
        bench.gaps.map { GapState(rawValue: $0.state) }
    }

    @Test("what did not come is asked for, comes marked as fetched, and the gap is filled")
    func filled() throws {
        var bench = bench()
        let fetch = try #require(fetches(&bench).first)
        #expect(fetch == BinanceFetch(number: 2, symbol: "BTCUSDT", from: 3, count: 4))
        #expect(states(bench) == [.open, .filling] && bench.engine.status.holes == 1)
        answer(&bench, fetch, .page(list([3, 4])))
        #expect(states(bench) == [.open, .filling])
        bench.pass(BinanceLimits.fetchInterval - 1)
        #expect(fetches(&bench).isEmpty)
        bench.pass(1)
        let next = try #require(fetches(&bench).first)
        #expect(next.from == 5 && next.count == 2)
        answer(&bench, next, .page(list([5, 6, 7, 8])))
        #expect(states(bench) == [.open, .filling, .filled] && bench.engine.status.holes == 0)
        let (first, last) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(last.from <= first.from && last.to >= first.to && last.detail == "4 trades added")
        #expect(bench.ids == [2, 7, 3, 4, 5, 6])
        let fetched = bench.trades.map { $0.header.flags.contains(.backfilled) }
        #expect(fetched == [false, false, true, true, true, true])
        #expect(bench.trades.last.map { $0.price.description } == "5.25")
        #expect(bench.engine.counters.fills.filled == 4 && bench.engine.counters.fills.lost == 0)
        #expect(bench.engine.counters.late == 0)
    }

    @Test("ids that the exchange does not have stay missing, between their neighbours")
    func partly() throws {
        var bench = bench()
        answer(&bench, try #require(fetches(&bench).first), .page(list([3, 6])))
        #expect(states(bench) == [.open, .filling, .filled, .abandoned])
        let gap = try #require(bench.gaps.last)
        #expect(gap.detail == "trade ids 4 to 5 did not come")
        #expect(gap.from.nanoseconds == 1_003_000_000 && gap.to.nanoseconds == 1_006_000_000)
        #expect(bench.ids == [2, 7, 3, 6] && bench.engine.counters.fills.lost == 2)
    }

    @Test("a list that begins behind the gap ends it: nothing of it exists")
    func behind() throws {
        var bench = bench()
        answer(&bench, try #require(fetches(&bench).first), .page(list([9])))
        #expect(states(bench) == [.open, .filling, .abandoned])
        let (first, last) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(last.from == first.from && last.to == first.to)
        #expect(bench.engine.status.holes == 0)
    }

    @Test("a number that does not fit stays a gap of its own behind the filled one")
    func misfit() throws {
        var bench = bench()
        let fetch = try #require(fetches(&bench).first)
        answer(&bench, fetch, .page(list([3, 4, 5, 6], size: "123456789012345.5")))
        #expect(states(bench).suffix(4) == [.abandoned, .abandoned, .abandoned, .abandoned])
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
        var bench = bench()
        for turn in 1...BinanceLimits.uselessAnswersMax {
            let fetch = try #require(fetches(&bench).first, "turn \(turn)")
            answer(&bench, fetch, .page(Array(text.utf8)))
            bench.pass(BinanceLimits.fetchWaitMax * 2)
        }
        #expect(states(bench).suffix(1) == [.abandoned] && bench.engine.status.holes == 0)
        #expect(bench.gaps.last?.detail.contains("8 times") == true)
        let (first, last) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(last.from == first.from && last.to == first.to)
    }

    @Test(
        "too many requests are waited out, as long as the exchange says",
        arguments: [
            (3_000_000_000, false, 3_000_000_000), (nil, false, BinanceLimits.limitedWait),
            (nil, true, BinanceLimits.bannedWait), (0, false, BinanceLimits.fetchInterval),
            (-5, true, BinanceLimits.fetchInterval),
        ] as [(Int64?, Bool, Int64)])
    func limited(retryAfter: Int64?, isBanned: Bool, wait: Int64) throws {
        var bench = bench()
        answer(
            &bench, try #require(fetches(&bench).first),
            .limited(retryAfter: retryAfter, isBanned: isBanned))
        let due = bench.engine.holes.pace.at
        #expect(due - bench.now.monotonic == wait)
        bench.time += wait
        bench.pass(0)
        #expect(bench.engine.holes.asked != nil || bench.engine.legs.isEmpty)
    }

    @Test("a refusal ends the gap; what is not wanted any more is not asked for")
    func refused() throws {
        var bench = bench()
        answer(&bench, try #require(fetches(&bench).first), .refused("Invalid symbol."))
        #expect(bench.gaps.last?.detail.contains("Invalid symbol.") == true)
        bench.trade("BTCUSDT", 9, on: 1, at: 3_000)
        bench.pass(Self.second)
        let fetch = try #require(fetches(&bench).first)
        bench.engine.follow(begun: [], ended: [0], bench.now, into: &bench.out)
        bench.collect()
        #expect(bench.engine.status.holes == 0 && states(bench).last == .abandoned)
        // The answer comes too late.
        answer(&bench, fetch, .page(list([8])))
        #expect(bench.ids == [2, 7, 9])
    }

    @Test("ids go on where an earlier process ended", arguments: [false, true])
    func continued(hasOpenGap: Bool) throws {
        var bench = EngineBench { $0.fills = true }
        let last = EngineBench.origin.advanced(byNanoseconds: -9 * Self.second)
        let gap = OpenGap(
            instrument: 1, kind: .trade, from: last, to: .undefined,
            reason: .gatewayLost)
        let begun = ["BTCUSDT", "ETHUSDT"].enumerated().map {
            BinanceEngine.Begun(
                number: UInt32($0.offset), instrument: EngineBench.instrument($0.element),
                reached: hasOpenGap ? .undefined : EngineBench.origin, last: (700, last))
        }
        bench.engine.follow(
            begun: begun, ended: [], gaps: hasOpenGap ? [gap] : [], bench.now, into: &bench.out)
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
            #expect(states(bench).contains(.filled))
        }
        let fetch = try #require(fetches(&bench).first)
        #expect(fetch.symbol == "ETHUSDT" && fetch.from == 701 && fetch.count == 3)
        answer(&bench, fetch, .page(list([701, 702, 703])))
        #expect(states(bench).last == .filled && bench.engine.counters.fills.filled == 3)
        #expect(bench.engine.counters.fills.lost == 0)
    }

    @Test("a gap that an earlier process was filling is filled, where its ids are known")
    func inherited() throws {
        var bench = EngineBench { $0.fills = true }
        let time = EngineBench.origin
        func gap(_ seconds: Int64, _ ids: ClosedRange<UInt64>?) -> OpenGap {
            let from = time.advanced(byNanoseconds: seconds * Self.second)
            return OpenGap(
                instrument: 0, kind: .trade, from: from,
                to: from.advanced(byNanoseconds: Self.second), reason: .disconnected, ids: ids)
        }
        bench.follow(["BTCUSDT"], gaps: [gap(-20, 3...4), gap(-10, nil)])
        bench.connect()
        #expect(states(bench) == [.abandoned])
        bench.pass(Self.second)
        let fetch = try #require(fetches(&bench).first)
        #expect(fetch.from == 3 && fetch.count == 2)
        answer(&bench, fetch, .page(list([3, 4])))
        #expect(states(bench) == [.abandoned, .filling, .filled])
        #expect(bench.ids == [3, 4])
    }

    @Test("a gap of a weekend is filled, request by request")
    func weekend() throws {
        var bench = EngineBench { $0.fills = true }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        bench.trade("BTCUSDT", 3_000_003, on: 1, at: 2_000)
        #expect(bench.engine.status.holes == 1)
        var (requests, last) = (0, GapState?.none)
        while bench.engine.status.holes > 0 {
            bench.pass(BinanceLimits.fetchInterval)
            let fetch = try #require(fetches(&bench).first, "request \(requests)")
            requests += 1
            answer(&bench, fetch, .page(list((0..<UInt64(fetch.count)).map { fetch.from + $0 })))
            for case .tape(.gap(let gap)) in bench.takeRecords() {
                last = GapState(rawValue: gap.state)
            }
        }
        #expect(requests == 3_000 && last == .filled)
        #expect(bench.engine.counters.fills.filled == 3_000_000)
        #expect(bench.engine.counters.fills.lost == 0)
    }

    @Test("of a gap that lacks too many trades the newest come, and the older end stays")
    func cut() throws {
        var bench = EngineBench { $0.fills = true }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        let last = 2 + BinanceLimits.holeTradesMax + 40
        bench.trade("BTCUSDT", last + 1, on: 1, at: 2_000)
        bench.pass(Self.second)
        let fetch = try #require(fetches(&bench).first)
        #expect(fetch.from == 43 && fetch.count == 1_000)
        answer(&bench, fetch, .page(list([43, 44])))
        // It is on record before the end, for a later process.
        #expect(states(bench) == [.open, .filling, .abandoned])
        let (gap, lost) = (try #require(bench.gaps.first), try #require(bench.gaps.last))
        #expect(lost.from == gap.from && lost.to.nanoseconds == 1_043_000_000)
        #expect(
            lost.detail
                == "trade ids 3 to 42 did not come: more than \(BinanceLimits.holeTradesMax) are "
                + "missing")
        bench.pass(Self.second)
        let next = try #require(fetches(&bench).first)
        #expect(next.from == 45)
        answer(&bench, next, .page(list([last + 1])))
        #expect(states(bench).suffix(2) == [.filled, .abandoned])
        #expect(bench.gaps.dropLast().last?.from == lost.to)
        #expect(bench.engine.counters.fills.lost == BinanceLimits.holeTradesMax + 40 - 2)
    }

    @Test("the shortest gap of all symbols comes first, and those of one symbol in their order")
    func order() throws {
        var bench = EngineBench { $0.fills = true }
        bench.follow(["BTCUSDT", "ETHUSDT"])
        bench.connect()
        bench.trade("BTCUSDT", 2, on: 1, at: 1_000)
        bench.trade("ETHUSDT", 2, on: 1, at: 1_000)
        bench.trade("BTCUSDT", 2_003, on: 1, at: 2_000)
        bench.pass(Self.second)
        bench.trade("BTCUSDT", 2_005, on: 1, at: 3_000)
        bench.trade("ETHUSDT", 4, on: 1, at: 3_000)
        var asked: [String] = []
        while bench.engine.status.holes > 0 {
            let fetch = try #require(fetches(&bench).first)
            asked.append("\(fetch.symbol) \(fetch.from)")
            answer(&bench, fetch, .page(list((0..<UInt64(fetch.count)).map { fetch.from + $0 })))
            bench.pass(Self.second)
        }
        #expect(asked == ["BTCUSDT 3", "ETHUSDT 3", "BTCUSDT 1003", "BTCUSDT 2004"])
    }

    @Test("a gap gets too old by requests without its trades, and not while it waits")
    func age() throws {
        var bench = bench()
        var fetch = try #require(fetches(&bench).first)
        bench.trade("BTCUSDT", 2_008, on: 1, at: 3_000)
        let start = bench.time
        while fetch.from == 3, bench.time < start + 2 * BinanceLimits.holeAgeMax {
            answer(&bench, fetch, .failed("no answer"))
            bench.pass(2 * BinanceLimits.fetchWaitMax)
            bench.pass(0)
            fetch = try #require(fetches(&bench).first)
        }
        #expect(bench.time - start >= BinanceLimits.holeAgeMax)
        #expect(bench.gaps.last { $0.state == GapState.abandoned.rawValue } != nil)
        #expect(fetch.from == 8 && fetch.count == 1_000)
        // Each answer with trades begins a new hour.
        for from in [8, 1_008] as [UInt64] {
            bench.pass(BinanceLimits.holeAgeMax - Self.second)
            #expect(bench.engine.holes.asked == fetch.number)
            answer(&bench, fetch, .page(list(Array(from..<from + 1_000))))
            bench.pass(Self.second)
            if let next = fetches(&bench).first { fetch = next }
        }
        #expect(bench.engine.status.holes == 0 && bench.engine.counters.fills.lost == 4)
    }

    @Test("the hour of a gap does not run while others are asked for")
    func waits() {
        func hole(_ place: Int, _ last: UInt64) -> BinanceHole {
            BinanceHole(
                place: place, first: 1, last: last, next: 1, from: .undefined, to: .undefined,
                reason: .disconnected, reached: .undefined)
        }
        var holes = BinanceHoles(seed: 1)
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
        var bench = bench()
        let days = 3 * 86_400 * Self.second
        answer(
            &bench, try #require(fetches(&bench).first),
            .limited(retryAfter: days, isBanned: true))
        #expect(bench.engine.holes.pace.at - bench.now.monotonic == days)
        bench.pass(days - 1)
        #expect(fetches(&bench).isEmpty)
        bench.pass(1)
        let fetch = try #require(fetches(&bench).first)
        answer(&bench, fetch, .page(list([3, 4, 5, 6])))
        #expect(states(bench).last == .filled)
    }

    @Test("too many gaps stay")
    func limits() {
        var bench = bench()
        var id: UInt64 = 8
        for _ in 0..<BinanceLimits.holesMax + 5 {
            id += 2
            bench.trade("BTCUSDT", id, on: 1, at: 3_000)
        }
        #expect(bench.engine.status.holes == BinanceLimits.holesMax)
        #expect(states(bench).last == .abandoned)
    }
}
