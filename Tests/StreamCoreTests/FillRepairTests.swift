import MarketModel
import Primitives
import Testing

@testable import StreamCore

private struct Key: Hashable {
    let symbol: UInt32
    let series: UInt16
    let openTime: Timestamp
}

extension [Bar] {
    /// The last version of each bar, without withdrawn ones, as on the tape.
    var lastVersions: [Bar] {
        var last: [Key: Bar] = [:]
        for bar in self {
            last[Key(symbol: bar.symbol, series: bar.series, openTime: bar.openTime)] = bar
        }
        return last.values.filter { !$0.flags.contains(.withdrawn) }
            .sorted { ($0.series, $0.openTime) < ($1.series, $1.openTime) }
    }
}

/// Filled bars when a repair changes the bars around them.
@Suite("Fills behind repairs") struct FillRepairTests {
    private static let second: Int64 = 1_000_000_000

    /// One symbol. Trades have a price, and their time is a second.
    private struct World {
        var machine: Alone<BarMachine>
        var closed: [Bar] = []

        init(_ rule: BarRule) throws {
            machine = Alone<BarMachine>(rule: rule)
            _ = try machine.newSource("test")
            _ = try machine.newSymbol(try subscription(), source: 0)
        }

        mutating func advance(to second: Int64) {
            machine.advance(
                source: 0, watermark: Timestamp(nanoseconds: second * FillRepairTests.second),
                into: &closed)
        }

        /// Repairs with these trades as the tape's content; those in `gone` were cancelled.
        mutating func repair(
            _ trades: [Int64: Int64], gone: Set<Int64> = [], _ ranges: [Range<Int64>]
        ) {
            let dirty = ranges.map {
                DirtyRange(
                    symbol: 0, from: $0.lowerBound * FillRepairTests.second,
                    to: $0.upperBound * FillRepairTests.second, reason: BarReason.bust.rawValue)
            }
            var second = machine.repairMachine(for: dirty)
            for (time, price) in trades.sorted(by: { $0.key < $1.key }) {
                second.give(time, price)
            }
            for time in gone.sorted() {
                second.exclude(Alone<BarMachine>.header(time), source: 0)
            }
            let start = closed.count
            let needs = machine.publishedRanges(second, dirty)
            let published = closed.lastVersions.filter { bar in
                needs.contains {
                    $0.series == bar.series && bar.openTime.nanoseconds < $0.to
                        && bar.closeTime.nanoseconds > $0.from
                }
            }
            machine.absorb(second, dirty, published: published, into: &closed)
            let keys = closed[start...].map { [$0.closeTime.nanoseconds, Int64($0.series)] }
            let isInOrder = zip(keys, keys.dropFirst()).allSatisfy {
                !$1.lexicographicallyPrecedes($0)
            }
            #expect(isInOrder)
        }
    }

    private static func series() throws -> BarSeries {
        try StreamCoreTests.series(
            "f", .tumbling(width: second), fill: .previousClose(max: 3))
    }

    /// Returns second, close, and `f` for a filled bar, `w` for a withdrawn one.
    private static func text(_ bars: some Sequence<Bar>) -> [String] {
        bars.map { bar in
            let start = bar.openTime.nanoseconds / second
            if bar.flags.contains(.withdrawn) { return "\(start)w" }
            return "\(start):\(bar.close.raw)\(bar.flags.contains(.filled) ? "f" : "")"
        }
    }

    private static func world() throws -> World {
        var world = try World(BarRule(series: try BarSeriesSet([series()])))
        world.machine.give(0, 10)
        world.machine.give(4, 20)
        world.advance(to: 10)
        #expect(
            text(world.closed) == [
                "0:10", "1:10f", "2:10f", "3:10f", "4:20", "5:20f", "6:20f", "7:20f",
            ])
        return world
    }

    @Test(
        "what fills windows follows a repair of the bars around them",
        arguments: [
            // Another close before the fills.
            ([0: 11, 4: 20], [], 0..<1, ["0:11", "1:11f", "2:11f", "3:11f"], []),
            // The bar before the fills no longer exists.
            ([0: 10], [4], 4..<5, ["4w", "5w", "6w", "7w"], []),
            ([4: 20], [0], 0..<1, ["0w", "1w", "2w", "3w"], []),
            // A bar among the fills.
            ([0: 10, 2: 15, 4: 20], [], 2..<3, ["2:15", "3:15f"], []),
            ([0: 10, 4: 20, 6: 30], [], 6..<7, ["6:30", "7:30f", "8:30f", "9:30f"], []),
            // A bar after the fills.
            ([0: 10, 4: 20, 9: 30], [], 9..<10, ["9:30"], ["10:30f", "11:30f", "12:30f"]),
            // Nothing differs.
            ([0: 10, 4: 20], [], 2..<3, [], []),
        ] as [([Int64: Int64], Set<Int64>, Range<Int64>, [String], [String])])
    func table(
        trades: [Int64: Int64], gone: Set<Int64>, range: Range<Int64>, expected: [String],
        afterwards: [String]
    ) throws {
        var world = try Self.world()
        let before = world.closed.count
        world.repair(trades, gone: gone, [range])
        #expect(Self.text(world.closed[before...]) == expected)
        #expect(world.closed[before...].allSatisfy { $0.reason == BarReason.bust.rawValue })
        // Bars that are already published are not published again when time advances.
        let repaired = world.closed.count
        world.advance(to: 20)
        #expect(Self.text(world.closed[repaired...]) == afterwards)
    }

    @Test("a window that held nothing but excluded ticks is not withdrawn")
    func neverWas() throws {
        var world = try World(BarRule(series: try barSeries(["1s"])))
        world.machine.give(2, 10)
        world.machine.exclude(Alone<BarMachine>.header(1), source: 0)
        world.advance(to: 10)
        let before = world.closed.count
        world.repair([2: 10], gone: [1], [0..<4])
        #expect(Self.text(world.closed[before...]) == ["2:10"])
        world.repair([:], gone: [1, 2], [0..<4])
        #expect(Self.text(world.closed[(before + 1)...]) == ["2w"])
        // The bar no longer exists.
        world.repair([:], gone: [1, 2], [0..<4])
        #expect(world.closed.count == before + 2)
    }

    @Test("without knowledge of what stands, a window is withdrawn if a trade of it was changed")
    func unknown() throws {
        for isChanged in [false, true] {
            var world = try World(BarRule(series: try barSeries(["1s"])))
            world.machine.give(2, 10)
            world.advance(to: 10)
            let ranges = [
                DirtyRange(symbol: 0, from: 0, to: 4 * Self.second, reason: BarReason.bust.rawValue)
            ]
            var second = world.machine.repairMachine(for: ranges)
            second.exclude(Alone<BarMachine>.header(2), source: 0)
            if isChanged { second.noteChange(of: Alone<BarMachine>.header(2)) }
            var versions: [Bar] = []
            world.machine.absorb(second, ranges, into: &versions)
            #expect(Self.text(versions) == (isChanged ? ["2w"] : []))
        }
    }

    @Test("what fills a window stands before what is told of it")
    func order() throws {
        for lateTicks in [false, true] {
            var world = try World(BarRule(series: try BarSeriesSet([Self.series()])))
            world.machine.publishesEmptyWindows = true
            world.machine.give(0, 10)
            if lateTicks { world.machine.exclude(Alone<BarMachine>.header(2), source: 0) }
            world.machine.exclude(Alone<BarMachine>.header(1), source: 0)
            world.advance(to: 10)
            let flags = world.closed.filter { $0.openTime.nanoseconds == Self.second }.map(\.flags)
            #expect(flags == [[.final, .filled], .final])
            let ends = world.closed.map(\.closeTime)
            #expect(ends == ends.sorted())
        }
    }
}

extension Alone<BarMachine> {
    /// In the middle of a second.
    fileprivate static func header(_ time: Int64) -> TickHeader {
        .at(time * 1_000_000_000 + 500_000_000)
    }

    fileprivate mutating func give(_ time: Int64, _ price: Int64) {
        trade(
            .at(time * 1_000_000_000 + 500_000_000, price), source: 0, ordinal: UInt64(time + 1))
    }
}
