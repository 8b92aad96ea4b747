import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("Throttle")
struct ThrottleTests {
    /// The bucket in exact fractions of a tick, as a person would compute it.
    private struct Naive {
        let rule: ThrottleRule
        var now = Int64.min
        /// Ticks times `per`, by key.
        var levels: [UInt32: (level: Int128, time: Int64)] = [:]

        mutating func passes(_ header: TickHeader) -> Bool {
            now = max(now, header.receiveTime.nanoseconds)
            let key = rule.scope == .symbol ? header.symbol : 0
            let full = Int128(rule.count) * Int128(rule.per)
            let before = levels[key] ?? (full, now)
            let refilled = Int128(now - before.time) * Int128(rule.count)
            var level = min(full, before.level + refilled)
            let passes = level >= Int128(rule.per)
            if passes { level -= Int128(rule.per) }
            levels[key] = (level, now)
            return passes
        }
    }

    @Test(
        "lets through what the naive bucket does", arguments: [1, 2, 3] as [UInt64],
        [ThrottleRule.Scope.symbol, .partition])
    func equalsNaive(seed: UInt64, scope: ThrottleRule.Scope) throws {
        var random = SeededRandom(seed: seed)
        for (count, per) in [(1, 1_000_000), (3, 7_000_000), (1_000_000, 3_600_000_000_000)] {
            let rule = ThrottleRule(count: count, per: Int64(per), scope: scope)
            var machine = Throttle(rule)
            var naive = Naive(rule: rule)
            var time: Int64 = 1_700_000_000_000_000_000
            for index in 0..<3_000 {
                time += Int64.random(in: -100_000...900_000, using: &random)
                let trade = TickSamples.trade(
                    symbol: UInt32.random(in: 0..<4, using: &random), received: time)
                if index % 700 == 5 { machine = try restored(machine) }
                let expected = naive.passes(trade.header)
                let found = machine.passes(trade.header)
                #expect(found == expected, "seed \(seed), tick \(index)")
            }
        }
    }

    private func restored(_ machine: Throttle) throws -> Throttle {
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        let copy = try bytes.withRawSpan { span throws(CheckpointError) in
            try Throttle(machine.rule, restoring: span)
        }
        var again: [UInt8] = []
        copy.encode(into: &again)
        #expect(again == bytes)
        return copy
    }

    @Test("a full bucket lets its count through at once, and then one for each part of the time")
    func burst() {
        var machine = Throttle(ThrottleRule(count: 2, per: 1_000))
        let verdicts = [0, 0, 0, 499, 500, 500, 1_000, 9_000, 9_000, 9_000].map {
            machine.passes(TickSamples.trade(received: 1_000_000 + $0).header)
        }
        #expect(
            verdicts == [true, true, false, false, true, false, true, true, true, false])
        #expect(machine.kept == 4)
    }

    @Test("a jump of the clock over years fills the bucket and no more")
    func jump() {
        var machine = Throttle(ThrottleRule(count: 1_000_000, per: 3_600_000_000_000))
        let verdicts = [-9_000_000_000_000_000_000, 9_000_000_000_000_000_000].map {
            machine.passes(TickSamples.trade(received: $0).header)
        }
        #expect(verdicts == [true, true])
    }
}
