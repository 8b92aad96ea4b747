import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

/// A machine that was encoded and restored in the middle of a tape must not be distinguishable from
/// one that was not.
@Suite struct SnapshotPropertyTests {
    static let seeds = Seeds(fixed: 1...300)

    /// A run with an account of its output, as an operator keeps it.
    struct Run {
        var bars: MachineRun
        let calendar: SessionCalendar?
        var ledger = OutputLedger(published: nil)
        var verdicts: [OutputLedger.Verdict] = []

        mutating func feed(_ tape: some Sequence<NaiveEvent>) {
            for event in tape {
                let before = bars.closed.count
                bars.feed(event)
                for bar in bars.closed[before...] {
                    verdicts.append(
                        ledger.record(
                            bar, of: bars.machine.symbols.pair(at: bar.symbol),
                            series: bars.machine.series.all[Int(bar.series)].name))
                }
            }
        }

        /// Restores from the bytes of a checkpoint and its parts, as a new process does.
        mutating func crash(partBytesMax: Int) throws {
            let head = OperatorCheckpoint(
                definition: 7, generation: 3, output: ledger.computed, input: [1, 2, 3])
            let bytes = try head.bytes(bars.machine)
            let manifest = try bytes.read {
                try CheckpointManifest(number: 1, of: $0, partBytesMax: partBytesMax)
            }
            let parts = manifest.parts.indices.map { Array(bytes[manifest.range(ofPart: $0)]) }
            let restored = try OperatorCheckpoint.restore(
                try manifest.assemble(parts), rule: bars.machine.rule, calendar: calendar)
            #expect(restored.checkpoint == head)
            let isSame = restored.machine.snapshot == bars.machine.snapshot
            #expect(isSame)
            bars.machine = restored.machine
            ledger = OutputLedger(after: restored.checkpoint.output, published: head.output)
        }
    }

    @Test(
        "restored at any point, a run goes on with the same output and state",
        arguments: seeds.all())
    func cut(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0xc075)
        let rule = try RandomRule(seed: seed)
        let tape = rule.tape(seed: seed)
        var undisturbed = Run(bars: rule.run, calendar: rule.calendar)
        undisturbed.bars.takesLate = seed.isMultiple(of: 2)
        if seed.isMultiple(of: 5) {
            undisturbed.bars.machine.tapeStarts(
                at: Timestamp(nanoseconds: 1_700_000_003 * RandomTape.second))
        }
        var crashed = undisturbed
        undisturbed.feed(tape)
        let cuts =
            [0, tape.count] + (0..<4).map { _ in Int.random(in: tape.indices, using: &random) }
        var done = 0
        for cut in cuts.sorted() {
            crashed.feed(tape[done..<cut])
            try crashed.crash(partBytesMax: Int.random(in: 64...4_096, using: &random))
            done = cut
        }
        crashed.feed(tape[done...])
        #expect(
            difference(undisturbed.bars.named, crashed.bars.named) == "", "TAPELINE_SEED=\(seed)")
        let isSame =
            undisturbed.bars.closed == crashed.bars.closed
            && undisturbed.bars.late == crashed.bars.late
            && undisturbed.verdicts == crashed.verdicts
            && undisturbed.ledger.computed == crashed.ledger.computed
            && undisturbed.bars.machine.counters == crashed.bars.machine.counters
        #expect(isSame, "TAPELINE_SEED=\(seed)")
        let isSameState = undisturbed.bars.machine.snapshot == crashed.bars.machine.snapshot
        #expect(isSameState, "TAPELINE_SEED=\(seed)")
    }

    @Test("what happened before does not show in the bytes when the state is the same")
    func history() throws {
        // One machine also closes windows on the way, so that its slots and free list look
        // different, and takes symbols in the same order.
        let series = try barSeries(["1s"])
        func machine(detour: Bool) throws -> Alone<BarMachine> {
            var machine = Alone<BarMachine>(series: series)
            let source = try machine.newSource("alpha")
            var bars: [Bar] = []
            for name in ["A", "B", "C"] {
                _ = try machine.newSymbol(try subscription(name), source: source)
            }
            for step in 0..<6 {
                // The detour fills windows in another order, with the same sums.
                let symbol = detour ? 5 - step : step
                let trade = Trade.at(
                    Int64(symbol / 3) * 1_000_000_000 + 5, 5, symbol: UInt32(symbol % 3))
                machine.trade(trade, source: source, ordinal: UInt64(symbol + 1))
            }
            machine.advance(
                source: source, watermark: Timestamp(nanoseconds: 1_000_000_000), into: &bars)
            return machine
        }
        #expect(try machine(detour: false).snapshot == machine(detour: true).snapshot)
    }
}
