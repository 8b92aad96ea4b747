import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

@Suite("History that lags behind the market")
struct BackfillLagTests {
    @Test("history that has nothing is asked again for four hours")
    func empty() {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10, 12)
        var waits: [Double] = []
        for attempt in Int32(1)...10 {
            #expect(bench.next().count == 1)
            bench.refused(attempt, 162, "HMDS query returned no data")
            guard bench.machine.waiting > 0 else { break }
            let due = Double(bench.machine.nextDue.nanoseconds) / 1e9
            waits.append(due - bench.now)
            bench.now = due
        }
        #expect(waits == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600])
        #expect(bench.machine.counters.lagging == 9)
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
        #expect(bench.added.isEmpty && bench.machine.nextDue == .at(77_000_000_000))
        bench.now = 77
        _ = bench.next()
        var page = [9, 10, 10, 10, 11, 12].map { MarketTick($0, 1) }
        page.append(MarketTick(13, 5))
        bench.took(try HistoryAnswers.trades(2, page))
        #expect(bench.added.map(\.second) == [10, 11, 12])
        #expect(bench.machine.counters.filled == 1 && bench.machine.counters.lagging == 1)
    }

    @Test("an answer that does not prove that it reaches a gap's end is given up behind its ticks")
    func unproven() throws {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10, 13)
        for attempt in Int32(1)...10 {
            #expect(bench.next().count == 1)
            #expect(bench.added.isEmpty && bench.machine.counters.filled == 0)
            let page = [MarketTick(10, 1), MarketTick(11, 1)]
            bench.took(try HistoryAnswers.trades(attempt, page))
            bench.now = Double(bench.machine.nextDue.nanoseconds) / 1e9
        }
        #expect(bench.added == [MarketTick(10, 1)])
        #expect(
            bench.gaps() == [
                "filling 10.0 - 13.0", "filled 10.0 - 11.0: 1 tick added",
                "abandoned 11.0 - 13.0: history does not show that it has come so far",
            ])
        #expect(bench.machine.counters.lagging == 9 && bench.machine.waiting == 0)
    }

    @Test("where the market was closed an answer with nothing in it is complete; else it is none")
    func closed() throws {
        let utc = ZoneRules(first: 0, changes: [])
        let table: [(String, [Int64], Bool)] = [
            ("19700101:CLOSED", [], true), ("19700101:0000-19700101:0001", [], false),
            ("19700101:1000-19700101:1001", [], true), ("", [], false),
            // Nothing was traded since the end, and the end is long ago, so the answer is complete.
            ("19700101:0000-19700101:0001;19700102:CLOSED", [55], true),
        ]
        for (text, seconds, isComplete) in table {
            var bench = BackfillBench()
            bench.now = 2_000
            let isAtEnd = !seconds.isEmpty
            let gap = OpenGap(
                instrument: 0, kind: .trade, from: wallSeconds(isAtEnd ? 50 : 30),
                to: wallSeconds(isAtEnd ? 70 : 40), reason: .disconnected)
            bench.machine.add(
                gap, contract: Contract(.stock, "A"), feeds: .trades,
                arrivals: Arrivals([], since: gap.from, until: gap.to),
                hours: text.isEmpty ? nil : SessionHours(text, utc), now: bench.moment,
                into: &bench.records)
            _ = bench.next()
            bench.took(try HistoryAnswers.trades(1, seconds.map { MarketTick($0, 1) }))
            #expect(bench.machine.counters.filled == (isComplete ? 1 : 0), "\(text)")
        }
    }

    @Test("an answer with nothing in it proves nothing of a gap that has just ended")
    func nothing() throws {
        var bench = BackfillBench()
        bench.now = 17
        bench.add(.trade, 10, 12)
        _ = bench.next()
        bench.took(try HistoryAnswers.trades(1, []))
        #expect(bench.machine.waiting == 1 && bench.machine.counters.lagging == 1)
        bench.now = Double(bench.machine.nextDue.nanoseconds) / 1e9
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
        bench.now = Double(bench.machine.nextDue.nanoseconds) / 1e9
        #expect(bench.now == 90 && bench.next().count == 1)
        bench.took(try HistoryAnswers.bars(2, [5, 10, 15, 20]))
        #expect(bench.gaps().last?.hasPrefix("filled 11.0 - 24.0") == true)
        #expect(bench.machine.counters.lagging == 1)
    }

    @Test("bars that never reach a gap's end are told as far as they go")
    func shortBars() throws {
        var bench = BackfillBench { $0.lag.triesMax = 0 }
        bench.now = 2_000
        bench.add(.providerBar, 11, 34)
        _ = bench.next()
        bench.took(try HistoryAnswers.bars(1, [5, 10, 15]))
        #expect(
            bench.gaps() == [
                "filling 11.0 - 34.0", "filled 11.0 - 20.0: 0 ticks added",
                "abandoned 20.0 - 34.0: history does not show that it has come so far",
            ])
    }
}
