import MarketModel
import Primitives
import SimulationKit
import TapeCodec
import Testing

@testable import OperatorWorker

// The checks at the end of a world.
extension RecoveryWorld {
    /// Expects that the stored output is that of undisturbed owners, each ordinal once.
    func expectUndisturbedOutput() {
        var made: [UInt32: [(input: UInt64, output: NamedOutput)]] = [:]
        var nextOrdinal: UInt64 = 1
        var index = 0
        var indexGeneration: UInt32?
        var last: [(input: UInt64, output: NamedOutput)] = []
        var withdrawn = WithdrawnBars()
        for packet in tape.bars.packets where packet.output != nil {
            guard packet.output?.generation == packet.generation else {
                Issue.record("seed \(seed), \(kind): a packet says another generation")
                return
            }
            guard !packet.outputs.isEmpty else { continue }
            let all = made[packet.generation] ?? undisturbed(packet.generation)
            made[packet.generation] = all
            last = all
            for (place, output) in packet.outputs.enumerated() {
                let ordinal = packet.firstOrdinal + UInt64(place)
                let base = tape.bases.last {
                    $0.output + 1 == ordinal && $0.generation == packet.generation
                }
                if let base {
                    let first = all.firstIndex { $0.input > base.input } ?? all.count
                    // Another generation's index says nothing of this one's list.
                    let end = indexGeneration == packet.generation ? max(first, index) : first
                    withdrawn.rebuild(ahead: all[first..<end].map(\.output))
                    index = first
                }
                indexGeneration = packet.generation
                withdrawn.skip(&index, of: all, to: output)
                guard ordinal == nextOrdinal || base != nil && ordinal > nextOrdinal else {
                    Issue.record("seed \(seed): ordinal \(ordinal) where \(nextOrdinal) was due")
                    return
                }
                nextOrdinal = ordinal + 1
                if index >= all.count || all[index].output != output,
                    withdrawn.takesBack(output)
                {
                    continue
                }
                guard index < all.count, all[index].output == output else {
                    let other = index < all.count ? "\(all[index])" : "nothing"
                    Issue.record(
                        """
                        seed \(seed), \(kind): something else stands at \(ordinal): \(output), \
                        where one owner alone makes \(other)
                        """)
                    return
                }
                guard output.generation ?? packet.generation == packet.generation else {
                    Issue.record("seed \(seed): another generation's bar stands at \(ordinal)")
                    return
                }
                index += 1
                withdrawn.note(output)
            }
        }
        withdrawn.skip(&index, of: last, to: nil)
        #expect(index == last.count, "seed \(seed), \(kind): \(index) outputs of \(last.count)")
    }

    /// The number of values on the tape of bars.
    var valueCount: Int {
        tape.bars.packets.reduce(0) { count, packet in
            count
                + packet.outputs.count {
                    if case .value = $0 { true } else { false }
                }
        }
    }

    /// Returns what one owner without faults makes of the ticks, with the input of each output.
    private func undisturbed(
        _ generation: UInt32
    ) -> [(input: UInt64, output: NamedOutput)] {
        UndisturbedOwner(tape.ticks.packets, settings(of: generation)).outputs
    }

    /// Expects, from the tape of bars alone, that no tick is lost or counted twice.
    func expectEachTickOnce() -> TapeEquation? {
        guard let graph else { return nil }
        var published = PublishedOutput()
        for packet in tape.bars.packets where packet.output != nil {
            let sealed = packet.sealed()
            sealed.withBytes { published.take(sealed.header, $0) }
        }
        // A rebuild begins after the last input whose output was published completely.
        let equation = TapeEquation(
            of: published, made: graph.definition, from: tape.ticks.packets,
            mayRepeat: kind.hasRebuilds)
        if let problem = equation.problems.first {
            Issue.record("seed \(seed), \(kind): \(problem)")
        }
        return equation
    }

    /// Makes the stored bars those of another, and expects that an owner stops before it publishes.
    func expectStopAtForeignBars() {
        guard let place = tape.bars.packets.lastIndex(where: { $0.output != nil }),
            tape.bars.packets[place].nextOrdinal > 1
        else { return }
        tape.bucket.lose()
        tape.bars.packets[place].output?.checksum ^= 1
        let owner = SimulatedOwner(
            tape, settings(of: 1), SimulatedBucket.Faults(), seed: seed)
        var random = SeededRandom(seed: seed)
        for step in 0..<20_000 where !owner.isStopped && !owner.isDone {
            owner.step(now: .at(Int64(step) * 100_000_000), using: &random)
        }
        #expect(owner.isStopped, "seed \(seed): it works behind bars that are not its own")
        #expect(tape.bars.packets.last?.output == nil, "seed \(seed)")
    }
}

/// The bars whose last version on the tape withdraws them. A rebuild computes the output of its
/// first inputs again. Some of it may be stored already, and a bar that is already withdrawn is not
/// withdrawn again. A bar that is stored, of an input that is still to be computed again, is
/// withdrawn by a repair before that input, and published once more.
private struct WithdrawnBars {
    private var isRebuilt = false
    private var keys: Set<BarKey> = []
    /// The stored bars of inputs after the base.
    private var ahead: Set<BarKey> = []

    mutating func rebuild(ahead outputs: [NamedOutput]) {
        isRebuilt = true
        ahead.formUnion(outputs.compactMap(\.barKey))
    }

    /// Returns whether the output withdraws a stored bar that will be published again.
    mutating func takesBack(_ output: NamedOutput) -> Bool {
        guard case .bar(let bar, _, _) = output, bar.flags.contains(.withdrawn),
            let key = output.barKey, ahead.contains(key)
        else { return false }
        note(output)
        return true
    }

    mutating func note(_ output: NamedOutput) {
        guard case .bar(let bar, _, _) = output, let key = output.barKey else { return }
        ahead.remove(key)
        if bar.flags.contains(.withdrawn) { keys.insert(key) } else { keys.remove(key) }
    }

    /// Skips withdrawals of bars that are not stored, up to the given output.
    func skip(
        _ index: inout Int, of made: [(input: UInt64, output: NamedOutput)],
        to found: NamedOutput?
    ) {
        guard isRebuilt else { return }
        while index < made.count, made[index].output != found,
            case .bar(let bar, _, _) = made[index].output, bar.flags.contains(.withdrawn),
            let key = made[index].output.barKey, keys.contains(key)
        { index += 1 }
    }
}

extension NamedOutput {
    fileprivate var barKey: BarKey? {
        guard case .bar(let bar, let symbol, let series) = self else { return nil }
        return BarKey(symbol: symbol, series: series, openTime: bar.openTime, number: bar.number)
    }
}
