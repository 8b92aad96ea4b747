import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Repairs of a machine that is nearly full, and how far back they read.
@Suite("Limits of repairs") struct RepairLimitTests {
    private static let second: Int64 = 1_000_000_000

    private static func range(_ from: Int64, _ to: Int64) -> DirtyRange {
        DirtyRange(symbol: 0, from: from * second, to: to * second, reason: 4)
    }

    private static func pauses(_ gaps: [Int64], lateness: Int64) throws -> BarRule {
        BarRule(
            series: try BarSeriesSet(
                gaps.map {
                    try series(
                        "p\($0)", .inactivity(gap: $0 * second), lateness: lateness * second)
                }))
    }

    @Test("a repair keeps no more inactivity windows than a state may hold", arguments: [3, 4])
    func inactivity(limit: Int) throws {
        let rule = try Self.pauses([1], lateness: 100)
        var table = try MakerTable(
            Alone(InactivityMachine(intake: TickIntake(rule: rule), heldMax: limit)))
        try table.trade(1_000, 5)
        #expect(table.advance(20_000).count == 1)
        let ranges = [Self.range(0, 20)]
        var repair = table
        repair.machine = table.machine.repairMachine(for: ranges)
        for time in [1_000, 4_000, 8_000] as [Int64] { try repair.trade(time, 5) }
        var closed: [Bar] = []
        table.machine.absorb(repair.machine, ranges, published: [], into: &closed)
        // A replaced bar takes space until its replacement is stored.
        #expect(closed.count == (limit == 4 ? 3 : 0))
        #expect(table.machine.openWindows == (limit == 4 ? 3 : 1))
        #expect(table.machine.counters.series[0].repairsRefused == (limit == 4 ? 0 : 1))
        _ = try table.machine.restored()
    }

    @Test("a repair lets no more ticks wait than a state may hold", arguments: [2, 3])
    func waiting(limit: Int) throws {
        let rule = BarRule(series: try NumberSamples.series([.ticks(1)]))
        var table = try MakerTable(
            Alone(NumberMachine(intake: TickIntake(rule: rule), calendar: nil, waitingMax: limit)))
        try table.trade(1_000, 5)
        #expect(table.advance(2_000).count == 1)
        let ranges = [Self.range(0, 20)]
        var repair = table
        repair.machine = table.machine.repairMachine(for: ranges)
        for time in [1_000, 3_000, 4_000, 5_000] as [Int64] { try repair.trade(time, 7) }
        var closed: [Bar] = []
        table.machine.absorb(repair.machine, ranges, published: [], into: &closed)
        #expect(closed.count == (limit == 3 ? 1 : 0))
        #expect(table.machine.waitingTicks == (limit == 3 ? 3 : 0))
        #expect(table.machine.counters.series[0].repairsRefused == (limit == 3 ? 0 : 1))
        _ = try table.machine.restored()
    }

    @Test("where the pause before a range is known, no more than that is read")
    func reach() throws {
        let day = StreamLimits.dayNanoseconds
        let rule = try Self.pauses([1, 10], lateness: 5)
        var table = try MakerTable<InactivityMachine>(rule: rule)
        let start = day / 1_000_000
        try table.trade(start, 5)
        _ = table.advance(start + 60_000)
        // The windows before are closed, but their ends are known.
        try table.trade(start + 100_000, 5)
        let range = Self.range(86_500, 86_501)
        #expect(table.machine.extent(of: range).from == 86_480 * Self.second)
        // A window that began earlier.
        try table.trade(start + 95_000, 5)
        #expect(table.machine.extent(of: range).from == 86_475 * Self.second)
        // It is no longer known when the windows of that time began.
        #expect(table.machine.extent(of: Self.range(86_401, 86_402)).from == 1 * Self.second)
        // Nothing was removed so far, so nothing is known.
        var fresh = try MakerTable<InactivityMachine>(rule: rule)
        try fresh.trade(start + 100_000, 5)
        #expect(fresh.machine.extent(of: range).from == 100 * Self.second)
    }
}
