import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// The source of a symbol, since when it feeds it, and the limits.
@Suite struct BarMachineFeedTests {
    private static func second(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: second * 1_000_000_000)
    }

    @Test("a watermark never goes back, and an undefined one says nothing")
    func watermark() throws {
        var run = try SmallRun()
        run.advance(to: 50)
        run.advance(to: 20)
        run.machine.advance(source: run.source, watermark: .undefined, into: &run.closed)
        #expect(run.machine.sources.entries[0].watermark == Self.second(5))
        #expect(run.machine.sources.entries[0].regressions == 1)
        run.trade(at: 30)
        run.advance(to: 60)
        #expect(run.late.count == 1)
    }

    @Test("trades without a symbol or source are refused and counted")
    func unknown() throws {
        var run = try SmallRun()
        run.trade(at: 1) { $0.header.symbol = BarMachine.noSymbol }
        run.trade(at: 1) { $0.header.symbol = 1 }
        run.machine.trade(.at(0), source: BarMachine.noSource, ordinal: 1)
        run.machine.advance(
            source: BarMachine.noSource, watermark: Self.second(9), into: &run.closed)
        let index = run.machine.symbol(try subscription("B"), source: 7)
        #expect(index == nil)
        #expect(run.machine.counters.unknownSymbol == 3)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("ticks far in the future open no more windows than a key may have")
    func windowsPerKey() throws {
        var run = try SmallRun(limits: MachineLimits(openWindows: 100, openWindowsPerKey: 3))
        for time in [10, 20, 30, 40, 25, 5] as [Int64] { run.trade(at: time) }
        run.advance(to: 20)
        #expect(run.machine.counters.series[0].refused == 2)
        #expect(run.late.map(\.ordinal) == [4, 6])
        #expect(run.late.map(\.reason) == [.windowLimit, .windowLimit])
        // Closed windows have made room again.
        run.trade(at: 40)
        run.advance(to: 1_000)
        #expect(run.closed.map(\.trades) == [1, 2, 1, 1])
        #expect(run.machine.counters.isBalanced)
    }

    @Test("as shipped, a key has 4,096 windows at most")
    func windowsAsShipped() throws {
        var run = try SmallRun()
        for second in 1...4_097 as ClosedRange<Int64> { run.trade(at: second * 10) }
        #expect(run.machine.openWindows == 4_096)
        #expect(run.machine.counters.series[0].refused == 1)
    }

    @Test("a partition opens no more windows than it may have")
    func windowsOfPartition() throws {
        var run = try SmallRun(limits: MachineLimits(openWindows: 2, openWindowsPerKey: 10))
        let second = try run.machine.newSymbol(try subscription("B"), source: run.source)
        run.trade(at: 10)
        run.trade(at: 10) { $0.header.symbol = second }
        run.trade(at: 20)
        run.trade(at: 20) { $0.price = .undefined }
        #expect(run.machine.openWindows == 2)
        #expect(run.machine.counters.series[0].refused == 1)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("a full late list loses no count")
    func lateLimit() throws {
        var run = try SmallRun(limits: MachineLimits(lateTicks: 2))
        run.advance(to: 100)
        for _ in 0..<5 { run.trade(at: 1) }
        run.advance(to: 110)
        #expect(run.late.count == 2)
        #expect(run.machine.counters.series[0].late == 5)
        #expect(run.machine.counters.series[0].lateUnlisted == 3)
        run.trade(at: 1)
        run.advance(to: 120)
        #expect(run.late.count == 3)
        #expect(run.machine.counters.isBalanced)
    }
}
