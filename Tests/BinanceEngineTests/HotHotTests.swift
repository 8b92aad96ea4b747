import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine
@testable import EngineKit

/// Two connections that deliver the same trades.
@Suite struct HotHotTests {
    private static let second: Int64 = 1_000_000_000
    private static let millisecond: Int64 = 1_000_000

    private func bench(_ change: (inout BinanceSettings) -> Void = { _ in }) -> EngineBench {
        var bench = EngineBench {
            $0.merge.legs = 2
            change(&$0)
        }
        bench.follow(["BTCUSDT"])
        bench.connect()
        return bench
    }

    @Test("a trade goes out once, whichever connection brings it first")
    func merged() {
        var bench = bench()
        for (id, leg) in [(1, 1), (1, 2), (2, 2), (3, 2), (2, 1), (3, 1), (4, 1), (4, 2)] {
            bench.trade("BTCUSDT", UInt64(id), on: UInt32(leg))
        }
        #expect(bench.ids == [1, 2, 3, 4] && bench.gaps.isEmpty)
        let links = bench.engine.counters.links
        #expect([links.seen[0], links.seen[1], links.won[0], links.won[1]] == [4, 4, 2, 2])
        #expect(bench.engine.counters.ids.doubles == 4 && bench.engine.counters.ids.lower == 0)
        #expect(bench.engine.status.connections == 2)
    }

    @Test("what one connection did not bring comes from the other, without a gap")
    func missingOnOne() {
        var bench = bench()
        bench.trade("BTCUSDT", 1, on: 1)
        bench.trade("BTCUSDT", 4, on: 1)
        bench.trade("BTCUSDT", 5, on: 1)
        #expect(bench.ids == [1])
        for id in 1...3 as ClosedRange<UInt64> { bench.trade("BTCUSDT", id, on: 2) }
        #expect(bench.ids == [1, 2, 3, 4, 5] && bench.gaps.isEmpty)
        #expect(bench.engine.machine.ahead.feeds.isEmpty && bench.engine.machine.ahead.trades == 0)
    }

    @Test("what neither brought is missing as soon as both have passed it")
    func missingOnBoth() {
        var bench = bench()
        bench.trade("BTCUSDT", 1, on: 1)
        bench.trade("BTCUSDT", 4, on: 1)
        bench.trade("BTCUSDT", 5, on: 2)
        #expect(bench.ids == [1, 4, 5] && bench.gaps.count == 1)
        #expect(bench.gaps.first?.detail == "trade ids 2 to 3 did not come")
        #expect(bench.engine.counters.links.waitsEnded == 0)
    }

    @Test("a trade waits no longer than is set, nor for more than 1,024 others")
    func limits() {
        var bench = bench()
        bench.trade("BTCUSDT", 1, on: 1)
        bench.trade("BTCUSDT", 3, on: 1)
        #expect(bench.engine.nextDue - bench.now.monotonic == 250 * Self.millisecond)
        bench.pass(100 * Self.millisecond)
        bench.trade("BTCUSDT", 6, on: 1)
        bench.pass(149 * Self.millisecond)
        #expect(bench.ids == [1])
        bench.pass(Self.millisecond)
        #expect(bench.ids == [1, 3] && bench.gaps.count == 1)
        bench.pass(100 * Self.millisecond)
        #expect(bench.ids == [1, 3, 6] && bench.engine.counters.links.waitsEnded == 2)
        for place in 0...UInt64(DenseLimits.aheadMax) {
            bench.trade("BTCUSDT", 10 + place, on: 1)
        }
        #expect(bench.ids.count == 3 + DenseLimits.aheadMax + 1)
        // Too late: what it brings is on record as missing.
        bench.trade("BTCUSDT", 2, on: 2)
        #expect(!bench.ids.contains(2) && bench.engine.counters.ids.doubles == 1)
    }

    @Test(
        "a single cut leaves no gap, whichever connection it ends", arguments: [1, 2] as [UInt32])
    func singleCut(leg: UInt32) {
        var bench = bench()
        bench.trade("BTCUSDT", 1, on: leg)
        bench.trade("BTCUSDT", 2, on: leg)
        bench.trade("BTCUSDT", 4, on: leg)
        bench.ended(leg)
        #expect(
            bench.notes.contains(
                .lost(link: Int(leg) - 1, failures: 1, reason: "cut", isAlone: false)))
        #expect(bench.engine.status.state == .ready)
        for id in 1...5 as ClosedRange<UInt64> { bench.trade("BTCUSDT", id, on: 3 - leg) }
        bench.pass(2 * Self.second)
        bench.connect()
        bench.trade("BTCUSDT", 6, on: 3)
        bench.trade("BTCUSDT", 6, on: 3 - leg)
        #expect(bench.ids == [1, 2, 3, 4, 5, 6] && bench.gaps.isEmpty)
        #expect(bench.engine.status.connections == 2)
    }

    @Test("when both end there is a gap, and what waited is on record before it")
    func bothCut() {
        var bench = bench()
        bench.trade("BTCUSDT", 1, on: 1)
        bench.pass(Self.second)
        bench.trade("BTCUSDT", 3, on: 1)
        bench.ended(1)
        #expect(bench.ids == [1])
        bench.ended(2)
        #expect(bench.ids == [1, 3] && bench.gaps.count == 2)
        #expect(bench.gaps.last.map { $0.from == bench.now.wall && !$0.to.isDefined } == true)
        #expect(bench.engine.status.state == .closed)
    }

    @Test("the same id with other content is told")
    func differing() {
        var bench = bench()
        bench.trade("BTCUSDT", 1, on: 1)
        bench.trade("BTCUSDT", 1, on: 2, size: "9")
        bench.trade("BTCUSDT", 3, on: 1)
        bench.trade("BTCUSDT", 3, on: 2, size: "9")
        #expect(bench.engine.counters.ids.differing == 2)
        #expect(bench.troubles.contains("trade 1 came twice with other content"))
        #expect(bench.trades.first?.size.raw == 250_000_000)
    }

    @Test("both connections are renewed, half of their age apart")
    func renewal() {
        var bench = bench { $0.merge.renewAfter = 100 * Self.second }
        var opened: [Int64] = []
        for _ in 0..<210 {
            bench.pass(Self.second)
            for case .open in bench.wishes { opened.append(bench.time / Self.second) }
            bench.connect()
            for link in bench.engine.machine.links where link.state != .closed {
                bench.receive("{\"result\":[],\"id\":0}", on: link.number)
            }
        }
        #expect(opened == [50, 100, 150, 200] && bench.gaps.isEmpty)
        #expect(bench.engine.status.connections >= 2)
    }

    @Test("an exchange that counts from anew is followed by the ids of one connection")
    func restart() {
        var bench = bench()
        bench.trade("BTCUSDT", 1_000_000, on: 1)
        bench.pass(Self.second)
        for id in 1...UInt64(DenseLimits.lowerInRow) + 2 {
            for leg in [1, 2] as [UInt32] { bench.trade("BTCUSDT", id, on: leg) }
        }
        let first = UInt64(DenseLimits.lowerInRow)
        #expect(bench.ids == [1_000_000, first, first + 1, first + 2])
        #expect(bench.engine.status.feeds.allSatisfy { !$0.hasOpenGap })
    }
}
