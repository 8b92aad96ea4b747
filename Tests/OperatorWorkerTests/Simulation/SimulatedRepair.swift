import MarketModel
import Primitives
import SimulationKit
import TapeCodec
import TapeProtocol
import Testing

@testable import OperatorWorker

/// One repair in progress, with the packet of the tape to read next.
struct SimulatedRepair {
    var reading: RepairReading
    var next: Int
    /// True after the passes, while the stored bars have to be read back.
    var isReadBack = false
}

// Reads for repairs as `Worker` does, a packet at a time, so that any fault may come in between.
extension SimulatedOwner {
    func mend(using random: inout SeededRandom) {
        guard repair != nil else { return beginRepair() }
        if Int.random(in: 0..<200, using: &random) == 0 { return dropRepair() }
        for _ in 0..<Int.random(in: 1...12, using: &random) where repair?.isReadBack == false {
            readForRepair()
        }
        if repair?.isReadBack == true, core?.isOutputAcknowledged == true { readBack() }
    }

    /// Gives up the repair. It begins again from the start at its next turn.
    func dropRepair() {
        guard repair != nil else { return }
        repair = nil
        tape.droppedRepairs += 1
    }

    private func beginRepair() {
        if let ordinal = core?.precedentOrdinal {
            core?.takePrecedent(tape.bars.precedent(at: ordinal))
            return
        }
        guard let needs = core?.repairPart else { return }
        core?.beginRepair()
        let reading = RepairReading(slot: 0, reader: 0, needs, now: .at(0))
        repair = SimulatedRepair(reading: reading, next: firstPlace(from: reading.start))
    }

    /// Packets stored earlier are not read.
    private func firstPlace(from start: Timestamp) -> Int {
        tape.ticks.packets.firstIndex { $0.header.sendTime >= start } ?? tape.published
    }

    private func readForRepair() {
        guard let place = repair?.next, place < tape.published else {
            Issue.record("the packet that asked for a repair was not found")
            return dropRepair()
        }
        repair?.next = place + 1
        let packet = tape.ticks.packets[place]
        // Idle watermarks have subjects of their own.
        guard packet.header.kind == .ticks else { return }
        // All sources begin with their first ordinal, so nothing is missing before it.
        if case .refused(let reason, let detail) = repair?.reading.take(
            packet.header, at: packet.position.sequence)
        {
            Issue.record("a repair was refused: \(reason), \(detail)")
        }
        let isSecond = repair?.reading.isSecond ?? false
        packet.bytes.withRawSpan {
            if isSecond {
                core?.takeOfSecondPass(packet.header, $0)
            } else {
                core?.takeOfFirstPass(packet.header, $0)
            }
        }
        if repair?.reading.isPassOver ?? false { endPass() }
    }

    private func endPass() {
        let isSecond = repair?.reading.isSecond ?? false
        let isSame = repair?.reading.endPass() ?? false
        #expect(isSame, "the tape changed")
        if !isSecond, core?.endFirstPass() ?? false, let start = repair?.reading.start {
            repair?.next = firstPlace(from: start)
        } else if let published = core?.barsToReadBack {
            repair?.reading.barsReadBack = published
            repair?.isReadBack = true
        } else {
            endRepair([])
        }
    }

    private func readBack() {
        guard var published = repair?.reading.barsReadBack else { return }
        for packet in tape.bars.packets where packet.output != nil {
            let sealed = packet.sealed()
            sealed.withBytes { published.take(sealed.header, $0) }
        }
        endRepair(published.bars)
    }

    /// Hands the repaired bars to the operator. `published`: those that were read back.
    private func endRepair(_ published: [Bar]) {
        _ = core?.finishRepair(published: published)
        repair = nil
        tape.repairs += 1
        hasRepaired = true
    }
}

extension SimulatedBars {
    /// Returns what is stored at the ordinal.
    func precedent(at ordinal: UInt64) -> RepairPrecedent {
        for packet in packets where packet.output != nil {
            let sealed = packet.sealed()
            guard sealed.header.firstOrdinal <= ordinal, ordinal < sealed.header.nextOrdinal
            else { continue }
            let refusal = sealed.withBytes {
                RefusedRepair(at: ordinal, of: sealed.header, in: $0)
            }
            return refusal.map { .refused($0) } ?? .done
        }
        return .purged
    }
}
