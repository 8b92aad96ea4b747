import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Compares lateness, revisions, sessions, sliding windows, fills, conditions, odd lots and quotes
/// with the naive calculation, over random rules and tapes.
@Suite struct BarRulePropertyTests {
    static let seeds: [UInt64] = Array(1...100)

    @Test("every version of every bar, in its order, is that of sort and fold", arguments: seeds)
    func oracle(seed: UInt64) throws {
        let random = try RandomRule(seed: seed)
        let tape = random.tape(seed: seed)
        var run = MachineRun(rule: random.rule, calendar: random.calendar)
        var naive = NaiveBars(rule: random.rule, calendar: random.calendar)
        run.feed(tape)
        naive.run(tape)
        #expect(difference(run.named, naive.bars) == "", "seed \(seed)")
        let isSameOrder = run.named == naive.bars
        #expect(isSameOrder, "seed \(seed)")
        for (index, one) in random.rule.series.all.enumerated() {
            let late = run.late.filter { Int($0.series) == index }.map(\.ordinal)
            let isSame = late == naive.late[one.name.text] ?? []
            #expect(isSame, "seed \(seed), series \(one.name)")
        }
        #expect(run.machine.counters.isBalanced, "seed \(seed)")
    }

    @Test("the tapes of these seeds have something of everything")
    func coverage() throws {
        var reasons: Set<UInt8> = []
        var flags: BarFlags = []
        var counters = BarCounters.Series()
        for seed in Self.seeds {
            let random = try RandomRule(seed: seed)
            var run = MachineRun(rule: random.rule, calendar: random.calendar)
            run.feed(random.tape(seed: seed))
            reasons.formUnion(run.closed.map(\.reason))
            for bar in run.closed { flags.formUnion(bar.flags) }
            for one in run.machine.counters.series {
                counters.leftOut += one.leftOut
                counters.outsideSession += one.outsideSession
                counters.filled += one.filled
                counters.late += one.late
                counters.revisions += one.revisions
            }
        }
        #expect(reasons == [BarReason.closed.rawValue, BarReason.late.rawValue])
        #expect(flags == [.final, .partial, .mixedProviders, .filled])
        #expect(min(counters.leftOut, counters.outsideSession, counters.filled) > 200)
        #expect(min(counters.late, counters.revisions) > 200)
    }

    @Test("what is shown of open windows changes nothing", arguments: seeds.prefix(40))
    func showing(seed: UInt64) throws {
        let random = try RandomRule(seed: seed)
        let tape = random.tape(seed: seed)
        var quiet = MachineRun(rule: random.rule, calendar: random.calendar)
        var shown = quiet
        var open: [Bar] = []
        for event in tape {
            quiet.feed(event)
            shown.feed(event)
            shown.machine.takeOpenBars(into: &open)
        }
        let isSame = quiet.closed == shown.closed
        #expect(isSame, "seed \(seed)")
        #expect(quiet.machine.snapshot == shown.machine.snapshot, "seed \(seed)")
        #expect(open.allSatisfy { !$0.flags.contains(.final) && $0.open.isDefined })
    }

    @Test("a restored machine goes on as if nothing had happened", arguments: seeds)
    func restored(seed: UInt64) throws {
        let random = try RandomRule(seed: seed)
        let tape = random.tape(seed: seed)
        var choice = SeededRandom(seed: seed)
        var quiet = MachineRun(rule: random.rule, calendar: random.calendar)
        var crashed = quiet
        quiet.takesLate = false
        crashed.takesLate = false
        for event in tape {
            quiet.feed(event)
            crashed.feed(event)
            guard Int.random(in: 0..<20, using: &choice) == 0 else { continue }
            let bytes = crashed.machine.snapshot
            crashed.machine = try bytes.withRawSpan { span throws(CheckpointError) in
                try Alone<BarMachine>(rule: random.rule, calendar: random.calendar, restoring: span)
            }
            let isSame = crashed.machine.snapshot == bytes
            #expect(isSame, "seed \(seed)")
        }
        let isSame =
            quiet.closed == crashed.closed && quiet.machine.counters == crashed.machine.counters
            && quiet.machine.snapshot == crashed.machine.snapshot
        #expect(isSame, "seed \(seed)")
    }

    @Test("damaged snapshots of any rule are refused or harmless", arguments: seeds.prefix(15))
    func fuzz(seed: UInt64) throws {
        let random = try RandomRule(seed: seed)
        let tape = random.tape(seed: seed)
        var choice = SeededRandom(seed: seed)
        var run = MachineRun(rule: random.rule, calendar: random.calendar)
        run.takesLate = false
        run.feed(Array(tape.prefix(Int.random(in: 0...tape.count, using: &choice))))
        let good = run.machine.snapshot
        for _ in 0..<Fuzzing.mutationsPerSeed {
            let bytes = Fuzzing.mutated(good, using: &choice)
            let machine = try? bytes.withRawSpan { span throws(CheckpointError) in
                try Alone<BarMachine>(rule: random.rule, calendar: random.calendar, restoring: span)
            }
            guard let machine else { continue }
            let isSame = machine.snapshot == bytes
            #expect(isSame, "seed \(seed)")
            var after = MachineRun(rule: random.rule, calendar: random.calendar)
            after.machine = machine
            after.feed(tape)
            for bar in after.closed { _ = after.named(bar) }
            #expect(after.machine.counters.isBalanced, "seed \(seed)")
        }
    }
}
