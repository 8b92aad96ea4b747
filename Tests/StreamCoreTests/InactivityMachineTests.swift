import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

enum InactivitySamples {
    static let second = RandomTape.second

    static func rule(lateness: Int64) throws -> BarRule {
        var series: [BarSeries] = []
        for (name, gap) in [("short", second / 10), ("half", second / 2), ("long", 3 * second)] {
            series.append(
                try BarSeries(
                    name: try #require(SeriesName(name)), window: .inactivity(gap: gap),
                    lateness: lateness))
        }
        return BarRule(series: try BarSeriesSet(series))
    }

    static func gap(_ series: BarSeries) -> Int64 {
        if case .inactivity(let gap) = series.window { return gap }
        return 0
    }

    /// Sorts the ticks and cuts at the pauses. `open` are the keys of windows that no watermark
    /// closes.
    static func naive(
        _ intake: NaiveIntake, _ rule: BarRule
    ) -> (bars: [NumberedBar], open: Set<NumberedBar.Key>) {
        var bars: [NumberedBar] = []
        var open: Set<NumberedBar.Key> = []
        for (symbol, all) in intake.taken {
            for one in rule.series.all {
                let sorted = all.filter { $0.what == .trade }.sorted {
                    ($0.time, $0.source, $0.ordinal) < ($1.time, $1.source, $1.ordinal)
                }
                var groups: [[NumberTick]] = []
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
                        $0.what != .trade && first <= $0.time && $0.time < end
                    }
                    guard var bar = (group + others).bar(symbol, one, number: 0, flags: .final)
                    else { continue }
                    bar.openTime = first
                    bar.closeTime = end
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
    static let seeds = Seeds(fixed: 1...60)
    /// Longer than any tick of a random tape is late.
    static let longLateness = 400 * RandomTape.second

    func intake(_ tape: [NaiveEvent], all: Bool) -> NaiveIntake {
        NaiveIntake(tape, repairedAt: all ? tape.count : 0) { _ in (Int64.min, Int64.max) }
    }

    @Test(
        "with all ticks in time, what stands is what sorting and cutting gives",
        arguments: seeds.all())
    func naive(seed: UInt64) throws {
        let rule = try InactivitySamples.rule(lateness: Self.longLateness)
        // Backfilled ticks are only for repairs.
        let tape = RandomTape(seed: seed).events.filter { event in
            if case .trade(let trade, _, _, _) = event {
                return !trade.header.flags.contains(.backfilled)
            }
            return true
        }
        var run = MakerRun(InactivityMachine(rule: rule, calendar: nil))
        run.feed(tape)
        let naive = InactivitySamples.naive(intake(tape, all: true), rule)
        let last = run.last.filter { !naive.open.contains($0.key) }
        #expect(
            difference(last.map { $0.without(.partial) }, naive.bars) == "", "TAPELINE_SEED=\(seed)"
        )
        #expect(run.late.isEmpty, "TAPELINE_SEED=\(seed)")
        #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    @Test("the order of arrival between two watermarks does not matter", arguments: seeds.all())
    func permuted(seed: UInt64) throws {
        let rule = try InactivitySamples.rule(lateness: Self.longLateness)
        let tape = RandomTape(seed: seed).events
        var random = SeededRandom(seed: seed ^ 0x9e37)
        var plain = MakerRun(InactivityMachine(rule: rule, calendar: nil))
        var shuffled = plain
        plain.feed(tape)
        var stretch: [NaiveEvent] = []
        for event in tape {
            if case .trade = event {
                stretch.append(event)
            } else {
                shuffled.feed(stretch.shuffled(using: &random))
                stretch = []
                shuffled.feed(event)
            }
        }
        shuffled.feed(stretch.shuffled(using: &random))
        #expect(difference(plain.last, shuffled.last) == "", "TAPELINE_SEED=\(seed)")
        #expect(plain.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    @Test(
        "restored at any point, a run goes on with the same output and state",
        arguments: seeds.all())
    func cut(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0xc075)
        let rule = try InactivitySamples.rule(lateness: seed.isMultiple(of: 2) ? 0 : 5_000_000_000)
        let tape = RandomTape(seed: seed).events
        var undisturbed = MakerRun(InactivityMachine(rule: rule, calendar: nil))
        undisturbed.takesLate = false
        var cut = undisturbed
        undisturbed.feed(tape)
        var done = 0
        for end in (0..<4).map({ _ in Int.random(in: 0...tape.count, using: &random) }).sorted() {
            cut.feed(tape[done..<end])
            let bytes = cut.machine.snapshot
            cut.machine = try bytes.withRawSpan { span throws(CheckpointError) in
                try Alone<InactivityMachine>(rule: rule, calendar: nil, restoring: span)
            }
            #expect(cut.machine.snapshot == bytes, "TAPELINE_SEED=\(seed)")
            done = end
        }
        cut.feed(tape[done...])
        let isSame = cut.closed == undisturbed.closed
        #expect(isSame, "TAPELINE_SEED=\(seed): \(difference(cut.named, undisturbed.named))")
        #expect(cut.machine.snapshot == undisturbed.machine.snapshot, "TAPELINE_SEED=\(seed)")
        #expect(cut.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
    }

    @Test("a repair of everything gives the bars of all ticks of the tape", arguments: seeds.all())
    func repair(seed: UInt64) throws {
        let rule = try InactivitySamples.rule(lateness: seed.isMultiple(of: 2) ? 0 : 5_000_000_000)
        let tape = RandomTape(seed: seed).events
        var run = MakerRun(InactivityMachine(rule: rule, calendar: nil))
        run.feed(tape)
        run.repairAll(tape[...])
        let naive = InactivitySamples.naive(intake(tape, all: true), rule)
        let last = run.last.filter { !naive.open.contains($0.key) }
        #expect(
            difference(last.map { $0.without(.partial) }, naive.bars) == "", "TAPELINE_SEED=\(seed)"
        )
        let bytes = run.machine.snapshot
        let restored = try bytes.withRawSpan { span throws(CheckpointError) in
            try Alone<InactivityMachine>(rule: rule, calendar: nil, restoring: span)
        }
        #expect(restored.snapshot == bytes, "TAPELINE_SEED=\(seed)")
    }
}

extension MakerRun<InactivityMachine> {
    /// Repairs like an owner that reads the tape again.
    mutating func repairAll(_ tape: ArraySlice<NaiveEvent>) {
        let ranges = (0..<machine.symbols.count).map {
            DirtyRange(
                symbol: UInt32($0), from: Int64.min, to: Int64.max,
                reason: BarReason.repair.rawValue)
        }
        var published: [NumberedBar.Key: Bar] = [:]
        for bar in closed { published[named(bar).key] = bar }
        var repair = MakerRun(machine.repairMachine(for: ranges))
        repair.feed(tape)
        var bars: [Bar] = []
        machine.absorb(
            repair.machine, ranges,
            published: published.values.filter { !$0.flags.contains(.withdrawn) }
                .map { PublishedBar($0) }, into: &bars)
        append(bars)
    }
}
