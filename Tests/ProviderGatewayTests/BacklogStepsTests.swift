import Membership
import Primitives
import TapeKeeping
import Testing

@testable import ProviderGateway

@Suite("Steps in which quotes are conflated for a group that is far behind")
struct BacklogStepsTests {
    private static func backlog(_ ticks: UInt64) -> StoreBacklog {
        StoreBacklog(slowest: StoreBacklog.Slowest(group: .store, ticks: ticks), counted: nil)
    }

    @Test("up to the step of the backlog at once, down by one at half of the step's ticks")
    func steps() {
        var steps = BacklogSteps(ticksMin: 1_000)
        let table: [(ticks: UInt64, step: Int)] = [
            (0, 0), (999, 0), (1_000, 1), (1_999, 1), (501, 1), (500, 0), (2_000, 2), (1_001, 2),
            (1_000, 1), (4_000, 3), (.max, 3), (2_001, 3), (0, 2), (0, 1), (0, 0), (0, 0),
            (4_000, 3),
        ]
        for (index, row) in table.enumerated() {
            let before = steps.step
            let changed = steps.judge(Self.backlog(row.ticks), now: MonotonicTime(nanoseconds: 1))
            #expect(steps.step == row.step && changed == (before != row.step), "row \(index)")
        }
        #expect(steps.interval == 1_000_000_000 && steps.slowest?.ticks == 4_000)
    }

    @Test("what is not known changes nothing; without groups it ends; 0 switches it off")
    func unknown() {
        var steps = BacklogSteps(ticksMin: 10)
        let now = MonotonicTime(nanoseconds: 7)
        #expect(steps.judge(Self.backlog(10), now: now) && steps.since == now)
        #expect(!steps.judge(nil, now: now) && steps.step == 1)
        #expect(steps.judge(StoreBacklog(slowest: nil, counted: nil), now: now) && steps.step == 0)
        var off = BacklogSteps(ticksMin: 0)
        #expect(!off.judge(Self.backlog(.max), now: now) && off.interval == 0)
        var largest = BacklogSteps(ticksMin: .max)
        #expect(largest.judge(Self.backlog(.max), now: now) && largest.step == 3)
    }
}
