import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// The source of a symbol, since when it feeds it, and the limits.
@Suite struct BarMachineFeedTests {
    private static func second(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: second * 1_000_000_000)
    }

    @Test("a bar whose window overlaps the beginning of its subscription is partial")
    func since() throws {
        var run = try SmallRun(["1s", "1m"], since: Self.second(2).advanced(byNanoseconds: 1))
        for time in [15, 25, 35] as [Int64] { run.trade(at: time) }
        run.advance(to: 600)
        #expect(run.closed.map { $0.flags.contains(.partial) } == [true, true, false, true])
    }

    @Test("a subscription that begins on a boundary leaves the window whole")
    func sinceOnBoundary() throws {
        var run = try SmallRun(["1s", "1m"], since: Self.second(60))
        run.trade(at: 605)
        run.advance(to: 1_200)
        #expect(run.closed.map(\.flags) == [.final, .final])
    }

    @Test("a subscription that begins anew makes its window partial, open or not yet")
    func restart() throws {
        for opened in [true, false] {
            var run = try SmallRun(["1s", "1m"], since: Self.second(0))
            if opened { run.trade(at: 62) }
            let again = try subscription(since: Self.second(6).advanced(byNanoseconds: 9))
            _ = run.machine.symbol(again, source: run.source)
            _ = run.machine.symbol(again, source: run.source)
            run.trade(at: 55)
            run.trade(at: 65)
            run.trade(at: 75)
            run.advance(to: 600)
            let partial = run.closed.map { $0.flags.contains(.partial) }
            #expect(partial == [false, true, false, true], "opened \(opened)")
        }
    }

    @Test("windows that began before the tape are partial")
    func tapeStart() throws {
        var run = try SmallRun(["1s", "1m"])
        run.machine.tapeStarts(at: Self.second(61))
        run.trade(at: 605)
        run.trade(at: 615)
        run.advance(to: 1_200)
        #expect(run.closed.map { $0.flags.contains(.partial) } == [true, false, true])
    }

    @Test("a bar made from two providers says so, one from each provider does not")
    func mixedProviders() throws {
        var run = try SmallRun(["1s", "1m"])
        run.trade(at: 1)
        _ = run.machine.symbol(try subscription(provider: "two"), source: run.source)
        run.trade(at: 11)
        run.advance(to: 600)
        #expect(run.closed.map { $0.flags.contains(.mixedProviders) } == [false, false, true])
    }

    @Test("a symbol is closed by the watermark of the source that feeds it, and by no other")
    func sparseSymbol() throws {
        var run = try SmallRun()
        let other = try run.machine.newSource("other")
        run.trade(at: 5)
        run.machine.advance(source: other, watermark: Self.second(50), into: &run.closed)
        #expect(run.closed.isEmpty)
        run.advance(to: 10)
        #expect(run.closed.count == 1)
    }

    @Test("a symbol that goes to another source obeys its watermark; closed windows stay closed")
    func moved() throws {
        var run = try SmallRun()
        let other = try run.machine.newSource("other")
        run.trade(at: 95)
        run.trade(at: 115)
        run.advance(to: 100)
        #expect(run.closed.count == 1)
        _ = run.machine.symbol(try subscription(), source: other)
        // Neither reaches a closed window: the old watermark stays, and the new one is far behind.
        let trade = Trade(
            header: TickHeader(
                symbol: run.symbol, providerTime: Self.second(9), receiveTime: Self.second(9)),
            price: Price(raw: 1), size: Quantity(raw: 1))
        run.machine.trade(trade, source: other, ordinal: 1)
        run.machine.trade(trade, source: run.source, ordinal: 99)
        run.advance(to: 1_000)
        #expect(run.closed.count == 1)
        #expect(run.late.map(\.ordinal) == [1])
        #expect(run.machine.counters.unknownSymbol == 1)
        run.machine.advance(source: other, watermark: Self.second(12), into: &run.closed)
        #expect(run.closed.count == 2)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("in one nanosecond the name of the source decides, whoever was seen first")
    func ties() throws {
        for reversed in [false, true] {
            var run = try MachineRun(["1s"])
            let symbol = try symbolName("AAPL")
            let names = try ["beta", "alpha"].map { try sourceName($0) }
            for name in reversed ? names.reversed() : names {
                run.feed(.definition(try subscription(), source: name))
                run.feed(
                    .trade(
                        Trade(
                            header: TickHeader(
                                symbol: 0, providerTime: Self.second(5),
                                receiveTime: Self.second(5)),
                            price: Price(raw: name.text == "alpha" ? 10 : 20),
                            size: Quantity(raw: 1)),
                        symbol: symbol, source: name, ordinal: 7))
            }
            for name in names { run.feed(.watermark(name, Self.second(6))) }
            let bar = try #require(run.closed.first)
            #expect(bar.open.raw == 10 && bar.close.raw == 20, "reversed \(reversed)")
            #expect(bar.flags == [.final, .mixedProviders])
        }
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
        let trade = Trade(
            header: TickHeader(
                symbol: 0, providerTime: Self.second(0), receiveTime: Self.second(0)),
            price: Price(raw: 1), size: Quantity(raw: 1))
        run.machine.trade(trade, source: BarMachine.noSource, ordinal: 1)
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
