import Membership
import Primitives
import TapeKeeping
import Testing

@testable import ProviderGateway

@Suite("The pace of the readers")
struct StorePressureTests {
    private static let second: Int64 = 1_000_000_000

    private static func backlog(
        _ ticks: UInt64?, counted: UInt64? = 0, group: GroupName = .store
    ) -> StoreBacklog {
        StoreBacklog(
            slowest: ticks.map { StoreBacklog.Slowest(group: group, ticks: $0) }, counted: counted)
    }

    /// One step: seconds, the slowest group's lag, the ordinals that it counts, and those of the
    /// source.
    private struct Step {
        var at: Double
        var lag: UInt64?
        var counted: UInt64? = 0
        var sent: UInt64 = 0
        /// How far the group is behind if the source waits then; `nil`: it does not wait.
        var held: UInt64?
    }

    private static func run(_ steps: [Step], max: Int = 1_000, canWait: Bool = true) {
        var machine = StorePressure(ticksMax: max)
        var waited: Int64 = 0
        for step in steps {
            _ = machine.judge(
                backlog(step.lag, counted: step.counted),
                StorePressure.Source(canWait: canWait, ordinals: step.sent),
                now: .at(Int64(step.at * Double(second))), waited: &waited)
            #expect(machine.hold?.ticks == step.held, "at \(step.at)")
        }
    }

    @Test("it waits from the limit on, and goes on at half of it")
    func limits() {
        Self.run([
            Step(at: 0, lag: 999), Step(at: 1, lag: 1_000, held: 1_000),
            Step(at: 2, lag: 1_200, held: 1_200), Step(at: 3, lag: 501, held: 501),
            Step(at: 4, lag: 500), Step(at: 5, lag: 999), Step(at: 6, lag: 1_000, held: 1_000),
            Step(at: 7, lag: 0),
        ])
    }

    @Test("what was sent since the lag was computed counts, and no more than that")
    func fresh() {
        Self.run([
            Step(at: 0, lag: 0, counted: 5_000, sent: 5_000),
            Step(at: 0.1, lag: 0, counted: 5_000, sent: 5_999),
            Step(at: 0.2, lag: 0, counted: 5_000, sent: 6_000, held: 1_000),
            // The next turn of the watch has counted them, and the group has read most.
            Step(at: 1, lag: 300, counted: 6_000, sent: 6_000),
            // Heads that are ahead of what the gateway knows add nothing.
            Step(at: 1.1, lag: 300, counted: 9_000, sent: 6_000),
            Step(at: 1.2, lag: .max, counted: 0, sent: 5, held: .max),
        ])
    }

    @Test("a source whose heads are not heard yet counts from its beginning, for ten seconds")
    func unheard() {
        Self.run([
            Step(at: 0, lag: 0, counted: nil, sent: 8_000_000),
            Step(at: 0.5, lag: 0, counted: nil, sent: 8_000_999),
            Step(at: 1, lag: 0, counted: nil, sent: 8_001_000, held: 1_000),
            Step(at: 9.9, lag: 0, counted: nil, sent: 8_001_000, held: 1_000),
            Step(at: 10, lag: 0, counted: nil, sent: 8_001_000),
        ])
    }

    @Test("no group, a live feed, and no limit hold nothing")
    func free() {
        Self.run([Step(at: 0, lag: 5_000, held: 5_000), Step(at: 1, lag: nil)])
        Self.run([Step(at: 0, lag: .max), Step(at: 1, lag: 5_000)], canWait: false)
        Self.run([Step(at: 0, lag: .max), Step(at: 1, lag: 5_000)], max: 0)
        var machine = StorePressure(ticksMax: 1)
        var waited: Int64 = 0
        let source = StorePressure.Source(canWait: true, ordinals: 9)
        #expect(machine.judge(nil, source, now: .at(0), waited: &waited) == nil)
        #expect(!machine.isHeld && waited == 0)
    }

    @Test("at its end it hands out what it has")
    func end() {
        var machine = StorePressure(ticksMax: 10)
        var waited: Int64 = 0
        let source = StorePressure.Source(canWait: true, ordinals: 0)
        _ = machine.judge(Self.backlog(50), source, now: .at(0), waited: &waited)
        #expect(machine.isHeld)
        machine.end()
        #expect(!machine.isHeld)
        #expect(machine.judge(Self.backlog(50), source, now: .at(1), waited: &waited) == .free)
        #expect(!machine.isHeld)
    }

    @Test("waiting is told once, with the group; its end when it has not waited for half a minute")
    func news() throws {
        var machine = StorePressure(ticksMax: 1_000)
        var waited: Int64 = 0
        func judge(_ lag: UInt64, at seconds: Int64) -> StorePressure.News? {
            machine.judge(
                Self.backlog(lag), StorePressure.Source(canWait: true, ordinals: 0),
                now: .at(seconds * Self.second), waited: &waited)
        }
        #expect(judge(0, at: 0) == nil)
        let hold = StorePressure.Hold(group: .store, ticks: 1_500, since: .at(Self.second))
        #expect(judge(1_500, at: 1) == .slowed(hold))
        #expect(judge(900, at: 3) == nil && judge(400, at: 4) == nil && judge(2_000, at: 20) == nil)
        #expect(machine.hold?.since == .at(20 * Self.second))
        #expect(judge(0, at: 21) == nil && judge(0, at: 49) == nil)
        #expect(judge(0, at: 50) == .free && judge(0, at: 90) == nil)
        #expect(waited == 4 * Self.second)
    }

    @Test(
        "a source at full speed before a slower group: bounded, never stuck",
        arguments: 1...UInt64(20))
    func simulation(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let (most, speed) = (10_000, UInt64.random(in: 100...3_000, using: &random))
        var machine = StorePressure(ticksMax: most)
        var (sent, read, waited): (UInt64, UInt64, Int64) = (0, 0, 0)
        var seen = Self.backlog(0, counted: nil)
        var isAway = false
        for turn in 0..<6_000 as Range<Int64> {
            // The watch computes once a second, from heads and positions that are as old.
            if turn % 10 == 0 { seen = Self.backlog(sent - read, counted: sent) }
            if Int.random(in: 0..<200, using: &random) == 0 { isAway.toggle() }
            _ = machine.judge(
                seen, StorePressure.Source(canWait: true, ordinals: sent),
                now: .at(turn * Self.second / 10), waited: &waited)
            if !machine.isHeld { sent += speed }
            if !isAway { read = min(sent, read + UInt64.random(in: 0...500, using: &random)) }
            #expect(sent - read <= UInt64(most) + speed, "seed \(seed), turn \(turn)")
        }
        for turn in 6_000..<7_000 as Range<Int64> where machine.isHeld {
            read = min(sent, read + 200)
            if turn % 10 == 0 { seen = Self.backlog(sent - read, counted: sent) }
            _ = machine.judge(
                seen, StorePressure.Source(canWait: true, ordinals: sent),
                now: .at(turn * Self.second / 10), waited: &waited)
        }
        #expect(!machine.isHeld && sent > UInt64(most), "seed \(seed)")
    }
}
