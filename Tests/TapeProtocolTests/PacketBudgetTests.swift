import Primitives
import Seeds
import TapeProtocol
import Testing

@Suite struct PacketBudgetTests {
    private let second: Int64 = 1_000_000_000

    @Test("a burst leaves at once, then one packet per interval")
    func burst() {
        let budget = Spender(packetsPerSecond: 1_000)
        let start = MonotonicTime.at(5 * second)
        #expect((0..<60).count { _ in budget.take(now: start) } == 50)
        let next = start + second / 1_000
        #expect(!budget.take(now: next - 1))
        #expect(budget.take(now: next))
        #expect(!budget.take(now: next))
    }

    @Test("a long rest saves no more than one burst")
    func rest() {
        let budget = Spender(packetsPerSecond: 200)
        #expect(budget.take(now: .at(0)))
        let late = MonotonicTime.at(3_600 * second)
        #expect((0..<100).count { _ in budget.take(now: late) } == 10)
    }

    @Test("the slowest budget gives one packet a second")
    func slowest() {
        let budget = Spender(packetsPerSecond: 1)
        #expect(budget.take(now: .at(second)))
        #expect(!budget.take(now: .at(2 * second - 1)))
        #expect(budget.take(now: .at(2 * second)))
    }

    @Test("at whatever moments one asks, no more leaves than the rate and one burst")
    func rate() {
        for seed in Seeds(fixed: 1...50).all() {
            var random = SeededRandom(seed: seed)
            let rate = Int.random(in: 1...100_000, using: &random)
            let budget = Spender(packetsPerSecond: rate)
            var now = MonotonicTime.at(Int64.random(in: -second...second, using: &random))
            let start = now
            var taken = 0
            for _ in 0..<500 {
                while budget.take(now: now) { taken += 1 }
                now += Int64.random(in: 0...second / 100, using: &random)
            }
            // The interval is a whole number of nanoseconds.
            let allowed = Int((now - start) / (second / Int64(rate)))
            #expect(taken <= allowed + max(1, rate / 20) + 1, "TAPELINE_SEED=\(seed)")
        }
    }

    @Test("a rate that is none is a bug of the caller")
    func trapsInvalid() async {
        await #expect(processExitsWith: .failure) { _ = PacketBudget(packetsPerSecond: 0) }
    }
}

/// A budget that expectations may spend from.
private final class Spender {
    private var budget: PacketBudget

    init(packetsPerSecond: Int) { budget = PacketBudget(packetsPerSecond: packetsPerSecond) }

    func take(now: MonotonicTime) -> Bool { budget.take(now: now) }
}
