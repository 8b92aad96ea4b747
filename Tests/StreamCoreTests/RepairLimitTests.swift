import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Repairs of a machine that is nearly full, and how far back they read.
@Suite("Limits of repairs") struct RepairLimitTests {
    private static let second: Int64 = 1_000_000_000

    /// A range of the one symbol, in seconds.
    private static func range(_ from: Int64, _ to: Int64) -> DirtyRange {
        DirtyRange(
            symbol: 0, from: from * second, to: to * second, reason: BarReason.backfill.rawValue)
    }

    /// Series of these gaps, in seconds like the lateness.
    private static func pauses(_ gaps: [Int64], lateness: Int64) throws -> BarRule {
        BarRule(
            series: try BarSeriesSet(
                gaps.map {
                    try series(
                        "p\($0)", .inactivity(gap: $0 * second), lateness: lateness * second)
                }))
    }

    /// Closes one bar up to a watermark, and repairs the first 20 s with these trades. Times are
    /// milliseconds. Returns the bars that the repair closed.
    private static func repair<Machine>(
        _ table: inout MakerTable<Machine>, watermark: Int64, trades: [Int64]
    ) throws -> [Bar] {
        try table.trade(1_000, 5)
        #expect(table.advance(watermark).count == 1)
        let ranges = [range(0, 20)]
        var repair = table
        repair.machine = table.machine.repairMachine(for: ranges)
        for time in trades { try repair.trade(time, 7) }
        var closed: [Bar] = []
        table.machine.absorb(repair.machine, ranges, into: &closed)
        return closed
    }

    @Test("a repair keeps no more inactivity windows than a state may hold", arguments: [3, 4])
    func inactivity(heldMax: Int) throws {
        let rule = try Self.pauses([1], lateness: 100)
        var table = try MakerTable(
            Alone(InactivityMachine(intake: TickIntake(rule: rule), heldMax: heldMax)))
        let closed = try Self.repair(&table, watermark: 20_000, trades: [1_000, 4_000, 8_000])
        // Three windows, and the replaced bar takes space until its replacement is stored.
        let fits = heldMax == 4
        #expect(closed.count == (fits ? 3 : 0))
        #expect(table.machine.openWindows == (fits ? 3 : 1))
        #expect(table.machine.counters.series[0].repairsRefused == (fits ? 0 : 1))
        try table.machine.expectRestored()
    }

    @Test("a repair lets no more ticks wait than a state may hold", arguments: [2, 3])
    func waiting(waitingMax: Int) throws {
        let rule = BarRule(series: try NumberSamples.series([.ticks(1)]))
        var table = try MakerTable(
            Alone(
                NumberMachine(
                    intake: TickIntake(rule: rule), calendar: nil, waitingMax: waitingMax)))
        let closed = try Self.repair(
            &table, watermark: 2_000, trades: [1_000, 3_000, 4_000, 5_000])
        // The three trades after the watermark wait.
        let fits = waitingMax == 3
        #expect(closed.count == (fits ? 1 : 0))
        #expect(table.machine.waitingTicks == (fits ? 3 : 0))
        #expect(table.machine.counters.series[0].repairsRefused == (fits ? 0 : 1))
        try table.machine.expectRestored()
    }

    @Test("where the pause before a range is known, no more than that is read")
    func reach() throws {
        let rule = try Self.pauses([1, 10], lateness: 5)
        // The first trade comes a day after 1970, so that a day before a range is a time, too.
        let day = StreamLimits.dayNanoseconds / Self.second
        var table = try MakerTable<InactivityMachine>(rule: rule)
        /// The second after the first trade, or before it, from which on a repair reads.
        func start(_ from: Int64, _ to: Int64) -> Int64 {
            table.machine.extent(of: Self.range(day + from, day + to)).from / Self.second - day
        }
        try table.trade(day * 1_000, 5)
        _ = table.advance((day + 60) * 1_000)
        // The windows before are closed, but their ends are known: twice the longer gap is read.
        try table.trade((day + 100) * 1_000, 5)
        #expect(start(100, 101) == 80)
        // A window that began earlier.
        try table.trade((day + 95) * 1_000, 5)
        #expect(start(100, 101) == 75)
        // It is no longer known when the windows of that time began, so a day is read.
        #expect(start(1, 2) == 1 - day)
        // Nothing was removed so far, so nothing is known.
        table = try MakerTable<InactivityMachine>(rule: rule)
        try table.trade((day + 100) * 1_000, 5)
        #expect(start(100, 101) == 100 - day)
    }
}
