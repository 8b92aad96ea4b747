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
}
