import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

/// Compares lateness, revisions, sessions, sliding windows, fills, conditions, odd lots and quotes
/// with the naive calculation, over random rules and tapes.
@Suite struct BarRulePropertyTests {
    static let seeds = Seeds(fixed: 1...300)

    @Test(
        "every version of every bar, in its order, is that of sort and fold", arguments: seeds.all()
    )
    func oracle(seed: UInt64) throws {
        let random = try RandomRule(seed: seed)
        let tape = random.tape(seed: seed)
        var run = random.run
        var naive = NaiveBars(rule: random.rule, calendar: random.calendar)
        if seed % 4 == 0 {
            naive.tapeStart = 1_700_000_003 * RandomTape.second
            run.machine.tapeStarts(at: Timestamp(nanoseconds: naive.tapeStart))
        }
        run.feed(tape)
        naive.run(tape)
        #expect(difference(run.named, naive.bars) == "", "TAPELINE_SEED=\(seed)")
        let isSameOrder = run.named == naive.bars
        #expect(isSameOrder, "TAPELINE_SEED=\(seed)")
        for (index, one) in random.rule.series.all.enumerated() {
            let late = run.late.filter { Int($0.series) == index }.map(\.ordinal)
            let isSame = late == naive.late[one.name.text] ?? []
            #expect(isSame, "TAPELINE_SEED=\(seed), series \(one.name)")
        }
        #expect(run.isBalanced, "TAPELINE_SEED=\(seed)")
        for (index, series) in run.machine.counters.series.enumerated() {
            let listed = run.late.count { Int($0.series) == index }
            #expect(UInt64(listed) == series.late, "TAPELINE_SEED=\(seed)")
        }
    }

    @Test("the tapes of these seeds have something of everything")
    func coverage() throws {
        var reasons: Set<UInt8> = []
        var flags: BarFlags = []
        var counters = BarCounters.Series()
        for seed in Self.seeds.all() {
            let random = try RandomRule(seed: seed)
            var run = random.run
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
        #expect(min(counters.leftOut, counters.outsideSession, counters.filled) >= Seeds.least(200))
        #expect(min(counters.late, counters.revisions) >= Seeds.least(200))
    }

    @Test("what is shown of open windows changes nothing", arguments: Seeds(fixed: 1...40).all())
    func showing(seed: UInt64) throws {
        let random = try RandomRule(seed: seed)
        let tape = random.tape(seed: seed)
        var quiet = random.run
        var shown = quiet
        var open: [Bar] = []
        for event in tape {
            quiet.feed(event)
            shown.feed(event)
            shown.machine.takeOpenBars(into: &open)
        }
        let isSame = quiet.closed == shown.closed
        #expect(isSame, "TAPELINE_SEED=\(seed)")
        #expect(quiet.machine.snapshot == shown.machine.snapshot, "TAPELINE_SEED=\(seed)")
        #expect(open.allSatisfy { !$0.flags.contains(.final) && $0.open.isDefined })
    }
}
