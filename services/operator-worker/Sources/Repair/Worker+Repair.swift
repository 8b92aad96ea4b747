import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

// Repairs. A second reader of the same partition reads a part of the tape again, twice when it is
// large, while the first reader is held. One partition is repaired at a time, so that the memory
// for it is bounded. The other partitions of the worker continue: so the second reader is one of
// the worker's own, in the loop of its thread. A `RangeReader` would block that thread.
extension Worker {
    private static let againNanoseconds: Int64 = 1_000_000_000

    /// Readers are added in this order: those of the partitions, those of their repairs, and those
    /// of the bars on the tape.
    private func repairReader(_ index: Int) -> Int { slots.count + index }
    func publishedReader(_ index: Int) -> Int { slots.count * 2 + index }

    func addRepairReaders() {
        let names = client.names
        for slot in slots {
            // The share over all partitions repairs nothing: the bars that it reads are repaired.
            let input =
                slot.partition == names.universe
                ? self.input(slot.partition)
                : TapeReaders.Input(
                    partition: slot.partition, stream: names.tickStream(of: slot.partition),
                    filters: [names.ticks(slot.partition)])
            let reader = readers.add(input)
            precondition(reader == repairReader(slot.reader), "readers and slots go together")
        }
        for slot in slots {
            let input =
                slot.partition == names.universe
                ? self.input(slot.partition)
                : TapeReaders.Input(
                    partition: slot.partition, stream: names.barStream,
                    filters: [names.bars(slot.partition)])
            let reader = readers.add(input)
            precondition(reader == publishedReader(slot.reader), "readers and slots go together")
        }
    }

    /// Begins the next repair when none is running, and refuses one that cannot continue.
    func repair(now: Int64) {
        if let asked = asking, let answer = asked.answer {
            asking = nil
            handle(answer, asked.slot)
        }
        guard asking == nil else { return sendQuestion(now: now) }
        if let repairing {
            if let problem = readers.problem(repairing.reader) {
                refuseRepair(.unreadable, "\(problem)")
            } else if repairing.published != nil, repairing.publishedUntil == 0,
                slots[repairing.slot].core?.isOutputOut ?? false
            {
                ask(.ends, repairing.slot)
            }
            return
        }
        guard now >= repairsFrom, let index = nextRepair() else { return }
        repairedLast = index
        if let ordinal = slots[index].core?.precedentOrdinal {
            return ask(.precedent(ordinal: ordinal), index)
        }
        guard let needs = slots[index].core?.repairPart else { return }
        slots[index].core?.beginRepair()
        let reading = RepairReading(slot: index, reader: repairReader(index), needs, now: now)
        repairing = reading
        readers.open(reading.reader, from: .time(reading.start))
    }

    /// Returns the next partition to repair. The partitions are served in turn.
    private func nextRepair() -> Int? {
        let order = slots.indices.map { (repairedLast + 1 + $0) % slots.count }
        return order.first { index in
            let slot = slots[index]
            guard slot.isOwned, case .working = slot.stage, slot.core?.isRepairing ?? false else {
                return false
            }
            return slot.core?.precedentOrdinal != nil || slot.core?.repairPart != nil
        }
    }

    func tookForRepair(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        let index = reader - slots.count
        guard index < slots.count else { return tookPublished(reader, header, packet) }
        guard repairing?.slot == index, let position = readers.position(reader) else { return }
        switch repairing?.take(header, at: position.sequence) {
        case .next: break
        case .refused(let reason, let detail): return refuseRepair(reason, detail)
        case nil: return
        }
        let isSecond = repairing?.isSecond ?? false
        packet.withPayload { bytes in
            if isSecond {
                slots[index].core?.takeForRepair(header, bytes)
            } else {
                slots[index].core?.noteForRepair(header, bytes)
            }
        }
        if repairing?.isPassOver ?? false { endPass(index) }
    }

    private func endPass(_ index: Int) {
        guard repairing?.endPass() ?? false, let repairing else {
            return refuseRepair(.unreadable, "the tape changed while it was read")
        }
        readers.close(repairReader(index))
        guard repairing.passesEnded == 1, !repairing.reach.begins.isEmpty else {
            return continueRepair(index)
        }
        // All packets that were read were stored until now. One question to the tape tells whether
        // there were more.
        var sources = Set(repairing.reach.begins.keys)
        sources.formUnion(slots[index].core?.machine.sources.entries.map(\.name) ?? [])
        ask(.reach(sources.sorted()), index)
    }

    /// Continues after a pass.
    private func continueRepair(_ index: Int) {
        guard let repairing else { return }
        if repairing.passesEnded == 1, slots[index].core?.endRepairNotes() ?? false {
            readers.open(repairing.reader, from: .time(repairing.start))
        } else if let published = slots[index].core?.publishedBars {
            self.repairing?.published = published
        } else {
            finishRepair(index, published: [])
        }
    }

    func finishRepair(_ index: Int, published: [Bar]) {
        guard let repairing else { return }
        self.repairing = nil
        let outcome = slots[index].core?.finishRepair(published: published)
        let nanoseconds = clock.monotonic().nanoseconds - repairing.startedAt
        metrics.repaired(nanoseconds: nanoseconds)
        reportDone(index, repairing, outcome ?? .init(), nanoseconds: nanoseconds)
    }

    // MARK: questions

    func ask(_ question: RepairQuestion, _ index: Int) {
        questions += 1
        asking = RepairAsking(slot: index, number: questions, question: question)
        sendQuestion(now: clock.monotonic().nanoseconds)
    }

    private func sendQuestion(now: Int64) {
        guard let asking, asking.isToBeSent(now: now) else { return }
        let job = CheckpointJob.repair(
            slots[asking.slot].partition, number: asking.number, asking.question)
        if checkpoints.ask(job) { self.asking?.sent(now: now) }
    }

    private func handle(_ answer: RepairAnswer, _ index: Int) {
        switch answer {
        case .precedent(let precedent): slots[index].core?.takePrecedent(precedent)
        case .reach(let reach):
            guard let repairing else { return }
            if let shortfall = reach.shortfall(repairing.reach) {
                refuseRepair(.retention, shortfall)
            } else {
                continueRepair(index)
            }
        case .ends(let ends): readBack(index, ends)
        case .failed(let reason):
            context.telemetry.emit(
                RepairDelayed(partition: slots[index].partition, reason: reason))
            repairLater()
        }
    }

    // MARK: refused and dropped repairs

    /// Refuses the repair. The published versions stay, and the partition continues.
    func refuseRepair(_ reason: RepairRefusal, _ detail: String) {
        guard let repairing else { return }
        self.repairing = nil
        asking = nil
        let index = repairing.slot
        readers.close(repairing.reader)
        guard let ranges = slots[index].core?.refuseRepair(reason, detail) else { return }
        reportRefused(index, ranges, detail)
    }

    private func repairLater() {
        repairsFrom = clock.monotonic().nanoseconds + Self.againNanoseconds
        guard let repairing else { return }
        self.repairing = nil
        readers.close(repairing.reader)
    }

    /// Drops the repair when the partition leaves or begins again. Its next owner does it again.
    func dropRepair(_ index: Int) {
        if asking?.slot == index { asking = nil }
        guard let repairing, repairing.slot == index else { return }
        self.repairing = nil
        readers.close(repairing.reader)
        context.telemetry.emit(RepairDropped(partition: slots[index].partition))
    }
}
