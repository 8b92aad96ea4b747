import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

@Suite struct BarMachinePropertyTests {
    static let seeds = Seeds(fixed: 1...300)

    @Test("bars, late ticks and account are those of sort, group and fold", arguments: seeds.all())
    func oracle(seed: UInt64) throws {
        let series = try barSeries(["1m", "1s", "5s"])
        let tape = RandomTape(seed: seed).events
        var run = MachineRun(series)
        var naive = NaiveBars(series: series)
        if seed % 3 == 0 {
            run.machine.tapeStarts(at: Timestamp(nanoseconds: 1_700_000_003 * RandomTape.second))
            naive.tapeStart = 1_700_000_003 * RandomTape.second
        }
        run.feed(tape)
        naive.run(tape)
        #expect(difference(run.named, naive.bars) == "", "TAPELINE_SEED=\(seed)")
        #expect(run.closed.count == naive.bars.count, "TAPELINE_SEED=\(seed)")
        for (index, one) in series.all.enumerated() {
            let late = run.late.filter { Int($0.series) == index }.map(\.ordinal)
            let expected = naive.late[one.name.text] ?? []
            #expect(late == expected, "TAPELINE_SEED=\(seed), series \(one.name)")
        }
        #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed): \(run.machine.counters)")
    }

    @Test("every bar comes once, in order of end, series and symbol", arguments: seeds.all())
    func order(seed: UInt64) throws {
        var run = try MachineRun(["1s", "5s", "1m"])
        run.feed(RandomTape(seed: seed).events)
        var start = 0
        for count in run.closedPerEvent {
            let batch = run.closed[start..<start + count].map {
                [$0.closeTime.nanoseconds, Int64($0.series), Int64($0.symbol)]
            }
            let isRising = zip(batch, batch.dropFirst()).allSatisfy {
                $0.lexicographicallyPrecedes($1)
            }
            #expect(isRising, "TAPELINE_SEED=\(seed)")
            start += count
        }
        let keys = Set(
            run.closed.map { [$0.openTime.nanoseconds, Int64($0.series), Int64($0.symbol)] })
        #expect(keys.count == run.closed.count, "TAPELINE_SEED=\(seed)")
    }

    @Test("the account balances after every event of a tape", arguments: Seeds(fixed: 1...40).all())
    func balance(seed: UInt64) throws {
        var run = try MachineRun(["1s", "15m"])
        for event in RandomTape(seed: seed).events {
            run.feed(event)
            #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
        }
        let counters = run.machine.counters
        for (index, series) in counters.series.enumerated() {
            let listed = run.late.count { Int($0.series) == index }
            #expect(UInt64(listed) == series.late, "TAPELINE_SEED=\(seed)")
            let inBars = run.closed.filter { Int($0.series) == index }.reduce(0) { $0 + $1.trades }
            #expect(inBars <= series.counted, "TAPELINE_SEED=\(seed)")
        }
    }

    @Test("any order of arrival between two watermarks gives the same bars", arguments: seeds.all())
    func permutation(seed: UInt64) throws {
        let tape = RandomTape(seed: seed).events
        var random = SeededRandom(seed: seed ^ 0x5eed)
        var first = try MachineRun(["1s", "1m"])
        var second = try MachineRun(["1s", "1m"])
        first.feed(tape)
        second.feed(Self.shuffled(tape, using: &random))
        #expect(difference(first.named, second.named) == "", "TAPELINE_SEED=\(seed)")
        let isSameOrder = first.closed == second.closed
        #expect(isSameOrder, "TAPELINE_SEED=\(seed)")
        let isSameLate = Set(first.late) == Set(second.late)
        #expect(isSameLate, "TAPELINE_SEED=\(seed)")
    }

    /// Shuffles each run of trades that no definition or watermark interrupts.
    static func shuffled(_ tape: [NaiveEvent], using random: inout SeededRandom) -> [NaiveEvent] {
        var result: [NaiveEvent] = []
        var run: [NaiveEvent] = []
        for event in tape {
            if case .trade = event {
                run.append(event)
                continue
            }
            result += run.shuffled(using: &random)
            run.removeAll()
            result.append(event)
        }
        return result + run.shuffled(using: &random)
    }

    @Test("a minute from ticks is the fold of its seconds", arguments: seeds.all())
    func minutes(seed: UInt64) throws {
        // Without late ticks, because a tick that is late for its second may be on time for its
        // minute.
        let tape = RandomTape(seed: seed).events
        var run = try MachineRun(["1s", "1m"])
        run.feed(tape)
        let late = Set(run.late.filter { $0.series == 0 }.map { "\($0.source) \($0.ordinal)" })
        let names = run.machine.sources.entries.map(\.name)
        let timely = tape.filter {
            guard case .trade(_, _, let source, let ordinal) = $0 else { return true }
            let index = names.firstIndex(of: source) ?? -1
            return !late.contains("\(index) \(ordinal)")
        }
        var clean = try MachineRun(["1s", "1m"])
        clean.feed(timely)
        let seconds = clean.closed.filter { $0.series == 0 }
        for minute in clean.closed where minute.series == 1 {
            let parts = seconds.filter {
                $0.symbol == minute.symbol && $0.openTime >= minute.openTime
                    && $0.closeTime <= minute.closeTime
            }.sorted { $0.openTime < $1.openTime }
            let notional = parts.reduce(Int128(0)) { $0 + $1.notional }
            let volume = parts.reduce(Int128(0)) { $0 + $1.volume }
            #expect(parts.first?.open == minute.open, "TAPELINE_SEED=\(seed)")
            #expect(parts.last?.close == minute.close, "TAPELINE_SEED=\(seed)")
            #expect(parts.map(\.high).max() == minute.high, "TAPELINE_SEED=\(seed)")
            #expect(parts.map(\.low).min() == minute.low, "TAPELINE_SEED=\(seed)")
            #expect(parts.reduce(0) { $0 + $1.trades } == minute.trades, "TAPELINE_SEED=\(seed)")
            #expect(volume == minute.volume && notional == minute.notional, "TAPELINE_SEED=\(seed)")
            #expect(
                Price.vwap(notional: notional, volume: volume) == minute.vwap,
                "TAPELINE_SEED=\(seed)")
        }
    }

    @Test("the same tape in two processes' worth of machines gives the same bytes")
    func repeatable() throws {
        for seed in Seeds(fixed: 1...20).all() {
            let tape = RandomTape(seed: seed).events
            var first = try MachineRun(["1s", "1m"])
            var second = try MachineRun(["1s", "1m"])
            first.feed(tape)
            second.feed(tape)
            let isSame = first.closed == second.closed
            #expect(isSame, "TAPELINE_SEED=\(seed)")
        }
    }
}
