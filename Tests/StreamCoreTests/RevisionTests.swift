import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Late ticks, revisions and repairs, one case at a time. Times are in units of 100 ms.
@Suite struct RevisionTests {
    private static let second: Int64 = 1_000_000_000

    private static func reasons(_ bars: some Sequence<Bar>) -> [BarReason?] {
        bars.map { BarReason(rawValue: $0.reason) }
    }

    @Test("a window takes ticks until the watermark reaches its end and its lateness")
    func expiry() throws {
        var run = try SmallRun(lateness: 5 * Self.second)
        run.trade(at: 5)
        run.machine.advance(
            source: run.source, watermark: Timestamp(nanoseconds: 6 * Self.second - 1),
            into: &run.closed)
        run.trade(at: 6)
        run.advance(to: 60)
        run.trade(at: 7)
        run.advance(to: 61)
        #expect(run.closed.map(\.trades) == [1, 2])
        #expect(run.late.map(\.ordinal) == [3])
        #expect(run.late.first?.closeTime == Timestamp(nanoseconds: Self.second))
        #expect(run.machine.openWindows == 0)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("empty windows are handed out only when they are asked for")
    func tellsEmpty() throws {
        for tells in [false, true] {
            var run = try SmallRun()
            run.machine.publishesEmptyWindows = tells
            run.trade(at: 5) { $0.price = .undefined }
            run.advance(to: 10)
            #expect(run.closed.count == (tells ? 1 : 0))
            #expect(run.closed.allSatisfy { $0.trades == 0 && !$0.open.isDefined })
        }
    }

    @Test("open bars are shown when they changed, and are not final")
    func openBars() throws {
        var run = try SmallRun(["1s", "2s"])
        var open: [Bar] = []
        run.trade(at: 5, 3)
        run.machine.takeOpenBars(into: &open)
        #expect(open.map(\.flags) == [[], []])
        run.machine.takeOpenBars(into: &open)
        #expect(open.count == 2)
        run.trade(at: 15, 4)
        run.advance(to: 10)
        run.machine.takeOpenBars(into: &open)
        #expect(open.dropFirst(2).map(\.series) == [0, 1])
        #expect(open.last?.close.raw == 4)
    }

    // MARK: repairs

    private static func range(
        _ run: SmallRun, _ from: Int64, _ to: Int64, _ reason: BarReason
    ) -> DirtyRange {
        DirtyRange(
            symbol: run.symbol, from: from * SmallRun.unit, to: to * SmallRun.unit,
            reason: reason.rawValue)
    }

    /// Repairs with a machine to which `feed` gives the ticks.
    private static func repair(
        _ run: inout SmallRun, _ ranges: [DirtyRange], _ feed: (inout SmallRun) -> Void
    ) -> [Bar] {
        var second = run
        second.machine = run.machine.repairMachine(for: ranges)
        feed(&second)
        var versions: [Bar] = []
        run.machine.absorb(
            second.machine, ranges, published: run.closed.lastVersions, into: &versions)
        return versions
    }

    @Test("a window whose trades were all cancelled is withdrawn, one without any is left alone")
    func withdrawn() throws {
        var run = try SmallRun()
        run.trade(at: 5, 10)
        run.trade(at: 15, 11)
        run.advance(to: 30)
        let versions = Self.repair(&run, [Self.range(run, 0, 30, .bust)]) { second in
            second.machine.exclude(
                .at(5 * SmallRun.unit, symbol: second.symbol), source: second.source)
            second.trade(at: 15, 12)
        }
        #expect(Self.reasons(versions) == [.bust, .bust])
        #expect(versions.map(\.flags) == [[.final, .withdrawn], .final])
        #expect(
            versions.first.map { !$0.open.isDefined && $0.trades == 0 && $0.volume == 0 } == true)
        #expect(versions.last?.close.raw == 12)
    }

    @Test("the greatest reason wins where ranges overlap, and windows outside are not touched")
    func reasons() throws {
        var run = try SmallRun()
        for time in [5, 15, 25] as [Int64] { run.trade(at: time) }
        run.advance(to: 40)
        let ranges = [Self.range(run, 0, 12, .bust), Self.range(run, 10, 20, .repair)]
        let versions = Self.repair(&run, ranges) { second in
            for time in [5, 15, 25] as [Int64] { second.trade(at: time) }
        }
        #expect(Self.reasons(versions) == [.bust, .repair])
    }

    /// Informs the owner that trades are missing, or are available after all.
    private static func miss(
        _ run: inout SmallRun, _ from: Int64, _ to: Int64, isFilled: Bool = false
    ) {
        run.machine.missing.apply(
            MissingChange(
                symbol: run.symbol, kind: .trade, from: from * SmallRun.unit,
                to: to * SmallRun.unit, isFilled: isFilled))
    }

    @Test("a long gap opens no window, and marks each that a tick opens in it")
    func longGap() throws {
        var run = try SmallRun()
        run.advance(to: 10)
        Self.miss(&run, 10, 36_000)
        _ = Self.repair(&run, [Self.range(run, 10, 36_000, .gap)]) { _ in }
        #expect(run.machine.openWindows == 0)
        run.trade(at: 15)
        run.trade(at: 20_000)
        run.trade(at: 36_005)
        run.advance(to: 40_000)
        #expect(run.closed.map { $0.flags.contains(.partial) } == [true, true, false])
    }

    @Test("a subscription that began in a window is known to its repair, until that is filled")
    func starts() throws {
        var run = try SmallRun()
        run.trade(at: 5)
        run.trade(at: 15)
        run.trade(at: 25)
        run.advance(to: 40)
        func again() -> [Bool] {
            Self.repair(&run, [Self.range(run, 0, 30, .repair)]) { second in
                for time in [5, 15, 25] as [Int64] { second.trade(at: time) }
            }.map { $0.flags.contains(.partial) }
        }
        run.machine.missing.start(run.symbol, at: 12 * SmallRun.unit)
        run.machine.missing.start(run.symbol, at: 20 * SmallRun.unit)
        #expect(again() == [false, true, false], "nothing is missing of a window that begins then")
        Self.miss(&run, 11, 12, isFilled: true)
        #expect(again() == [false, false, false])
    }

    @Test("the extent of a range holds every window of every series that overlaps it")
    func extent() throws {
        let sliding = try series(
            "s", .sliding(width: 10 * Self.second, hop: 5 * Self.second))
        let machine = Alone(series: try BarSeriesSet([try BarSeries("3s"), sliding]))
        let range = DirtyRange(
            symbol: 0, from: 16 * Self.second, to: 21 * Self.second, reason: BarReason.bust.rawValue
        )
        let extent = machine.extent(of: range)
        #expect(extent.from == 10 * Self.second && extent.to == 30 * Self.second)
        let all = machine.extent(
            of: DirtyRange(
                symbol: 0, from: Int64.min, to: Int64.max, reason: BarReason.bust.rawValue))
        #expect(all.from == Int64.min && all.to == Int64.max)
    }

    @Test("what a repair has no room for is counted, and what stands stays")
    func limits() throws {
        var run = try SmallRun(limits: MachineLimits(openWindows: 2))
        for time in [5, 15, 25] as [Int64] {
            run.trade(at: time)
            run.advance(to: time + 5)
        }
        let versions = Self.repair(&run, [Self.range(run, 0, 30, .repair)]) { second in
            for time in [5, 15, 25] as [Int64] { second.trade(at: time) }
        }
        #expect(versions.map(\.openTime.nanoseconds) == [0, Self.second])
        #expect(run.machine.counters.series[0].repairsRefused == 1)
        // Bars made from these bars would lack something.
        var second = run
        second.machine = run.machine.repairMachine(for: [Self.range(run, 0, 30, .repair)])
        for time in [5, 15] as [Int64] { second.trade(at: time) }
        #expect(second.machine.repairRefused.isEmpty)
        second.trade(at: 25)
        #expect(second.machine.repairRefused == [run.symbol])
    }

    @Test("ticks of somebody unknown to the machine do not harm it")
    func foreign() throws {
        var run = try SmallRun(["1m"])
        run.trade(at: 5, 10)
        let versions = Self.repair(&run, [Self.range(run, 0, 10, .backfill)]) { second in
            second.trade(at: 5, 10)
            let manual = second.machine.source(.manual) ?? -1
            _ = try? second.machine.symbol(subscription(provider: "people"), source: manual)
            second.machine.trade(
                .at(5 * SmallRun.unit, 30, symbol: second.symbol, flags: .backfilled),
                source: manual, ordinal: 1)
        }
        #expect(versions.isEmpty)
        run.trade(at: 5, 11)
        run.machine = try run.machine.expectRestored()
        run.advance(to: 600)
        #expect(run.closed.map(\.trades) == [3])
        #expect(run.closed.first?.flags == [.final, .mixedProviders])
        #expect(run.machine.counters.isBalanced)
    }
}
