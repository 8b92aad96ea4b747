import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

@Suite("History that lags behind the market")
struct BackfillLagTests {
    @Test("of a gap that has just ended history is asked again when it has nothing, four times")
    func empty() {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10, 12)
        var waits: [Double] = []
        for attempt in Int32(1)...4 {
            #expect(bench.next().count == 1)
            bench.refused(attempt, 162, "HMDS query returned no data")
            guard bench.machine.waiting > 0 else { break }
            let due = Double(bench.machine.nextDue) / 1e9
            waits.append(due - bench.now)
            bench.now = due
        }
        #expect(waits == [60, 120, 240] && bench.machine.counters.lagging == 3)
        #expect(
            bench.gaps() == [
                "filling 10.0 - 12.0",
                "abandoned 10.0 - 12.0: no data: HMDS query returned no data (162)",
            ])
    }

    @Test("history that ends before what had arrived is not up to date: it is asked again")
    func lag() throws {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10.5, 12.25, BackfillBench.arrivals)
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(1, [9, 10, 10, 10, 11].map { MarketTick($0, 1) }))
        #expect(bench.added.isEmpty && bench.machine.nextDue == 77_000_000_000)
        bench.now = 77
        _ = bench.next()
        var page = [9, 10, 10, 10, 11, 12].map { MarketTick($0, 1) }
        page.append(MarketTick(13, 5))
        bench.took(try HistoryAnswers.trades(2, page))
        #expect(bench.added.map(\.second) == [10, 11, 12])
        #expect(bench.machine.counters.filled == 1 && bench.machine.counters.lagging == 1)
    }

    @Test("an answer that does not prove that it reaches a gap's end is asked for again, thrice")
    func unproven() throws {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10, 12)
        for attempt in Int32(1)...4 {
            #expect(bench.next().count == 1)
            #expect(bench.added.isEmpty && bench.machine.counters.filled == 0)
            bench.took(try HistoryAnswers.trades(attempt, [MarketTick(10, 1)]))
            bench.now = Double(bench.machine.nextDue) / 1e9
        }
        #expect(bench.gaps() == ["filling 10.0 - 12.0", "filled 10.0 - 12.0: 1 tick added"])
        #expect(bench.machine.counters.lagging == 3)
        bench.now = 600
        bench.add(.trade, 500, 502)
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(5, [MarketTick(500, 1), MarketTick(502, 1)]))
        #expect(bench.gaps() == ["filling 500.0 - 502.0", "filled 500.0 - 502.0: 1 tick added"])
    }

    @Test("an answer with nothing in it proves nothing of a gap that has just ended")
    func nothing() throws {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10, 12)
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(1, []))
        #expect(bench.machine.waiting == 1 && bench.machine.counters.lagging == 1)
        bench.now = Double(bench.machine.nextDue) / 1e9
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(2, [MarketTick(11, 1), MarketTick(13, 1)]))
        #expect(bench.gaps() == ["filling 10.0 - 12.0", "filled 10.0 - 12.0: 1 tick added"])
    }

    @Test("bars that do not reach a gap's end are asked for again")
    func unprovenBars() throws {
        var bench = BackfillBench()
        bench.now = 30
        bench.add(.providerBar, 11, 24)
        _ = bench.next()
        bench.took(try HistoryAnswers.bars(1, [5, 10]))
        #expect(bench.gaps() == ["filling 11.0 - 24.0"])
        bench.now = Double(bench.machine.nextDue) / 1e9
        #expect(bench.now == 90 && bench.next().count == 1)
        bench.took(try HistoryAnswers.bars(2, [5, 10, 15, 20]))
        #expect(bench.gaps().last?.hasPrefix("filled 11.0 - 24.0") == true)
        #expect(bench.machine.counters.lagging == 1)
    }
}
