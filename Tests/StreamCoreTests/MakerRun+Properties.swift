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
