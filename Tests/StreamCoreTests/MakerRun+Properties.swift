import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// What must be true of a machine of bars, whatever ends its windows.
extension MakerRun {
    /// Feeds a tape. The trades that no other event interrupts come in any order.
    mutating func feed(shuffling tape: [NaiveEvent], _ seed: UInt64) {
        var random = SeededRandom(seed: seed ^ 0x9e37)
        var stretch: [NaiveEvent] = []
        for event in tape {
            if case .trade = event {
                stretch.append(event)
                continue
            }
            feed(stretch.shuffled(using: &random))
            stretch = []
            feed(event)
        }
        feed(stretch.shuffled(using: &random))
    }

    /// Expects that the machine, restored at any point of the tape, goes on with the same output
    /// and state.
    func expectSame(restoredIn tape: [NaiveEvent], calendar: SessionCalendar?, _ seed: UInt64)
        throws
    {
        var random = SeededRandom(seed: seed ^ 0xc075)
        var undisturbed = self
        undisturbed.takesLate = false
        var cut = undisturbed
        undisturbed.feed(tape)
        var done = 0
        for end in (0..<4).map({ _ in Int.random(in: 0...tape.count, using: &random) }).sorted() {
            cut.feed(tape[done..<end])
            cut.machine = try cut.machine.restored(calendar: calendar)
            done = end
        }
        cut.feed(tape[done...])
        let isSame = cut.closed == undisturbed.closed
        #expect(isSame, "TAPELINE_SEED=\(seed): \(difference(cut.named, undisturbed.named))")
        let isSameState =
            cut.machine.snapshot == undisturbed.machine.snapshot
            && cut.machine.maker.counters == undisturbed.machine.maker.counters
        #expect(isSameState && cut.isBalanced, "TAPELINE_SEED=\(seed)")
    }
}

extension MakerRun where Machine.Published == [PublishedBar] {
    /// Repairs like an owner that reads the tape again.
    mutating func repairAll(_ tape: ArraySlice<NaiveEvent>) {
        let ranges = (0..<machine.symbols.count).map {
            DirtyRange(
                symbol: UInt32($0), from: Int64.min, to: Int64.max,
                reason: BarReason.repair.rawValue)
        }
        var published: [NamedBar.Key: Bar] = [:]
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
