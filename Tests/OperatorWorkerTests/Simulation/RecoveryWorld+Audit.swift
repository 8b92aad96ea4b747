import Primitives
import SimulationKit
import TapeCodec
import Testing

@testable import OperatorWorker

// What must hold when all is over.
extension RecoveryWorld {
    /// What stands is what undisturbed owners make, each ordinal once.
    func audit() {
        var made: [UInt32: [(input: UInt64, output: NamedOutput)]] = [:]
        var nextOrdinal: UInt64 = 1
        var index = 0
        var last = 0
        for packet in tape.bars.packets where packet.output != nil {
            guard packet.output?.generation == packet.generation else {
                Issue.record("seed \(seed), \(kind): a packet says another generation")
                return
            }
            guard !packet.outputs.isEmpty else { continue }
            let all = made[packet.generation] ?? undisturbed(packet.generation)
            made[packet.generation] = all
            last = all.count
            for (place, output) in packet.outputs.enumerated() {
                let ordinal = packet.firstOrdinal + UInt64(place)
                let base = tape.bases.last {
                    $0.output + 1 == ordinal && $0.generation == packet.generation
                }
                if let base { index = all.firstIndex { $0.input > base.input } ?? all.count }
                guard ordinal == nextOrdinal || base != nil && ordinal > nextOrdinal else {
                    Issue.record("seed \(seed): ordinal \(ordinal) where \(nextOrdinal) was due")
                    return
                }
                nextOrdinal = ordinal + 1
                guard index < all.count, all[index].output == output else {
                    Issue.record("seed \(seed), \(kind): something else stands at \(ordinal)")
                    return
                }
                guard output.generation ?? packet.generation == packet.generation else {
                    Issue.record("seed \(seed): another generation's bar stands at \(ordinal)")
                    return
                }
                index += 1
            }
        }
        #expect(index == last, "seed \(seed), \(kind): \(index) outputs of \(last)")
    }

    private func undisturbed(
        _ generation: UInt32
    ) -> [(input: UInt64, output: NamedOutput)] {
        UndisturbedOwner(tape.ticks.packets, settings(of: generation)).outputs
    }

    /// From what stands on the tape of bars alone: no tick is lost or counted twice.
    func expectEquation() -> TapeEquation? {
        guard let graph else { return nil }
        var published = PublishedOutput()
        for packet in tape.bars.packets where packet.output != nil {
            let sealed = packet.sealed()
            sealed.withBytes { published.take(sealed.header, $0) }
        }
        // A rebuild begins behind the last input whose output was out entirely.
        let equation = TapeEquation(
            of: published, made: graph.definition, from: tape.ticks.packets,
            mayRepeat: kind == .rebuiltGraphs)
        if let problem = equation.problems.first {
            Issue.record("seed \(seed), \(kind): \(problem)")
        }
        return equation
    }

    /// An owner whose bars would be others than those that stand does not go on.
    func expectProof() {
        guard let place = tape.bars.packets.lastIndex(where: { $0.output != nil }),
            tape.bars.packets[place].nextOrdinal > 1
        else { return }
        tape.bucket.lose()
        tape.bars.packets[place].output?.checksum ^= 1
        let owner = SimulatedOwner(
            tape, settings(of: 1), SimulatedBucket.Faults(), seed: seed)
        var random = SeededRandom(seed: seed)
        for step in 0..<20_000 where !owner.isStopped && !owner.isDone {
            owner.step(now: Int64(step) * 100_000_000, using: &random)
        }
        #expect(owner.isStopped, "seed \(seed): it works behind bars that are not its own")
        #expect(tape.bars.packets.last?.output == nil, "seed \(seed)")
    }
}
