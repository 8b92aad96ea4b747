import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

enum InactivitySamples {
    static let second = RandomTape.second

    static func rule(lateness: Int64) throws -> BarRule {
        let gaps = [("short", second / 10), ("half", second / 2), ("long", 3 * second)]
        return BarRule(
            series: try BarSeriesSet(
                gaps.map { try series($0, .inactivity(gap: $1), lateness: lateness) }))
    }

    static func gap(_ series: BarSeries) -> Int64 {
        if case .inactivity(let gap) = series.window { return gap }
        return 0
    }

    /// Sorts the ticks and cuts at the pauses. `open` are the keys of windows that no watermark
    /// closes.
    static func naive(
        _ intake: NaiveIntake, _ rule: BarRule
    ) -> (bars: [NamedBar], open: Set<NamedBar.Key>) {
        var bars: [NamedBar] = []
        var open: Set<NamedBar.Key> = []
        for (symbol, all) in intake.taken {
            let sorted = all.filter(\.setsPrice).inOrder
            for one in rule.series.all {
                var groups: [[NaiveTick]] = []
                for tick in sorted {
                    if let last = groups.last?.last, tick.time < last.time + gap(one) {
                        groups[groups.count - 1].append(tick)
                    } else {
                        groups.append([tick])
                    }
                }
                for group in groups {
                    let first = group[0].time
                    let end = group[group.count - 1].time + gap(one)
                    let others = all.filter {
                        !$0.setsPrice && first <= $0.time && $0.time < end
                    }
                    let key = NaiveBars.Key(symbol: symbol, start: first, end: end)
                    guard
                        let bar = NaiveBars.fold(
                            group + others, key, one, isPartial: false, .closed)
                    else { continue }
                    // Only the ends of the group, because the others are after it.
                    if end <= intake.drained[symbol] ?? Int64.min {
                        bars.append(bar)
                    } else {
                        open.insert(bar.key)
                    }
                }
            }
        }
        return (bars, open)
    }
}

@Suite("Inactivity bars by seed") struct InactivityMachinePropertyTests {
    private typealias Run = MakerRun<InactivityMachine>

    static let seeds = Seeds(fixed: 1...60)
    /// Longer than any tick of a random tape is late.
    static let longLateness = 400 * RandomTape.second

    /// Expects the bars that sorting and cutting gives.
    private func expectNaive(_ run: Run, _ tape: [NaiveEvent], _ seed: UInt64) {
        let rule = run.machine.rule
        let naive = InactivitySamples.naive(
            NaiveIntake(tape, rule, repairedAt: tape.count), rule)
        let last = run.last.filter { !naive.open.contains($0.key) }.map { $0.without(.partial) }
        #expect(difference(last, naive.bars) == "", "TAPELINE_SEED=\(seed)")
        #expect(run.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    @Test(
        "with all ticks in time, what stands is what sorting and cutting gives",
        arguments: seeds.all())
    func naive(seed: UInt64) throws {
        // Backfilled ticks are only for repairs.
        let tape = RandomTape(seed: seed).events.filter { event in
            if case .trade(let trade, _, _, _) = event {
                return !trade.header.flags.contains(.backfilled)
            }
            return true
        }
        var run = Run(rule: try InactivitySamples.rule(lateness: Self.longLateness))
        run.feed(tape)
        expectNaive(run, tape, seed)
        #expect(run.late.isEmpty, "TAPELINE_SEED=\(seed)")
    }

    @Test("the order of arrival between two watermarks does not matter", arguments: seeds.all())
    func permuted(seed: UInt64) throws {
        let tape = RandomTape(seed: seed).events
        var plain = Run(rule: try InactivitySamples.rule(lateness: Self.longLateness))
        var shuffled = plain
        plain.feed(tape)
        shuffled.feed(shuffling: tape, seed)
        #expect(difference(plain.last, shuffled.last) == "", "TAPELINE_SEED=\(seed)")
        #expect(plain.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    private func rule(_ seed: UInt64) throws -> BarRule {
        try InactivitySamples.rule(lateness: seed.isMultiple(of: 2) ? 0 : 5_000_000_000)
    }

    @Test("a repair of everything gives the bars of all ticks of the tape", arguments: seeds.all())
    func repair(seed: UInt64) throws {
        let tape = RandomTape(seed: seed).events
        var run = Run(rule: try rule(seed))
        run.feed(tape)
        run.repairAll(tape[...])
        expectNaive(run, tape, seed)
        try run.machine.expectRestored()
    }
}
