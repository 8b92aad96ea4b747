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
        var ledger: OutputLedger
        var verdicts: [OutputLedger.Verdict] = []

        init(_ series: BarSeriesSet) {
            bars = MachineRun(series)
            ledger = OutputLedger(published: nil)
        }

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
            var bytes: [UInt8] = []
            try head.encode(bars.machine, into: &bytes)
            let manifest = try bytes.withRawSpan { span throws(CheckpointError) in
                try CheckpointManifest(number: 1, of: span, partBytesMax: partBytesMax)
            }
            let parts = manifest.parts.indices.map { Array(bytes[manifest.range(ofPart: $0)]) }
            let found = try manifest.assemble(parts)
            let restored = try found.withRawSpan { span throws(CheckpointError) in
                try OperatorCheckpoint.restore(span, series: bars.machine.series)
            }
            #expect(restored.checkpoint == head)
            bars.machine = restored.machine
            ledger = OutputLedger(after: restored.checkpoint.output, published: head.output)
        }
    }

    @Test(
        "restored at any point, a run goes on with the same output and state",
        arguments: seeds.all())
    func cut(seed: UInt64) throws {
        var random = SeededRandom(seed: seed ^ 0xc075)
        let series = try barSeries(seed.isMultiple(of: 2) ? ["1m", "1s", "5s"] : ["1s"])
        let tape = RandomTape(seed: seed).events
        var undisturbed = Run(series)
        var crashed = Run(series)
        if seed.isMultiple(of: 3) {
            let start = Timestamp(nanoseconds: 1_700_000_003 * RandomTape.second)
            undisturbed.bars.machine.tapeStarts(at: start)
            crashed.bars.machine.tapeStarts(at: start)
        }
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

    @Test("a restored machine encodes to the bytes that it came from", arguments: seeds.all())
    func stable(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let tape = RandomTape(seed: seed).events
        var run = try MachineRun(["1s", "1m"])
        run.takesLate = false
        run.feed(Array(tape.prefix(Int.random(in: 0...tape.count, using: &random))))
        let bytes = run.machine.snapshot
        var restored = try Alone<BarMachine>.restored(bytes, run.machine.series)
        #expect(restored.snapshot == bytes, "TAPELINE_SEED=\(seed)")
        #expect(restored.openWindows == run.machine.openWindows)
        var late: [LateTick] = []
        var expected: [LateTick] = []
        restored.takeLateTicks(into: &late)
        run.machine.takeLateTicks(into: &expected)
        let isSame = late == expected
        #expect(isSame, "TAPELINE_SEED=\(seed)")
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
                let time = Timestamp(nanoseconds: Int64(symbol / 3) * 1_000_000_000 + 5)
                machine.trade(
                    Trade(
                        header: TickHeader(
                            symbol: UInt32(symbol % 3), providerTime: time, receiveTime: time),
                        price: Price(raw: 5), size: Quantity(raw: 7)),
                    source: source, ordinal: UInt64(symbol + 1))
            }
            machine.advance(
                source: source, watermark: Timestamp(nanoseconds: 1_000_000_000), into: &bars)
            return machine
        }
        #expect(try machine(detour: false).snapshot == machine(detour: true).snapshot)
    }
}
