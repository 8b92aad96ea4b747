import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

// Repairs. A *slot* is the worker's state of one partition, and its `core` is the partition's pure
// `PartitionOperator`. When a core has a repair to do, the partition's own reader is held, and a
// second reader reads a part of the tape of ticks again. That is a *pass*. The first pass finds
// cancels and corrections, and keeps the ticks if they are few. Otherwise a second pass over the
// same packets computes them. Then a third reader reads back the bars that the partition has
// published in that time, so that bars that no longer exist are withdrawn.
//
// One partition is repaired at a time, so that the memory for it is bounded. The other partitions
// of the worker continue: so the readers are the worker's own, in the loop of its thread. A
// `RangeReader` would block that thread.
extension Worker {
    /// The wait before a repair begins again, after a question to the tape failed.
    private static let againNanoseconds: Int64 = 1_000_000_000

    /// Returns the index of a slot's reader of ticks for repairs. Readers are added in this order:
    /// those of input, those of ticks for repairs, and those of bars to read back. So a reader of
    /// input has the index of its slot, and the others follow from it.
    private func repairReader(_ index: Int) -> Int { slots.count + index }
    /// Returns the index of a slot's reader of bars to read back.
    func publishedReader(_ index: Int) -> Int { slots.count * 2 + index }

    /// Adds the second and third reader of each slot, when all slots have their first one.
    func addRepairReaders() {
        let names = client.names
        for slot in slots {
            // The share over all partitions (`names.universe`) computes from bars and never has a
            // repair of its own. Its two readers keep the indexes regular and are never opened.
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

    /// Takes the next step of repairs, in each turn of the loop: handles the answer to a question,
    /// begins to read bars back, refuses a repair that cannot continue, or begins the next one.
    func repair(now: MonotonicTime) {
        if let asked = openQuestion, let answer = asked.answer {
            openQuestion = nil
            handle(answer, asked.slot)
        }
        guard openQuestion == nil else { return sendQuestion(now: now) }
        if let repairing {
            if let problem = readers.problem(repairing.reader) {
                refuseRepair(.unreadable, "\(problem)")
            } else if repairing.barsReadBack != nil, repairing.barsReadUntil == 0,
                // All earlier output has to be on the tape first, or the reading would miss bars.
                slots[repairing.slot].core?.isOutputAcknowledged ?? false
            {
                ask(.ends, repairing.slot)
            }
            return
        }
        guard now >= repairsFrom, let index = nextRepair() else { return }
        slotRepairedLast = index
        // An earlier owner may have decided the same repair, so its output is looked up first.
        if let ordinal = slots[index].core?.precedentOrdinal {
            return ask(.precedent(ordinal: ordinal), index)
        }
        guard let part = slots[index].core?.repairPart else { return }
        slots[index].core?.beginRepair()
        let reading = RepairReading(slot: index, reader: repairReader(index), part, now: now)
        repairing = reading
        readers.open(reading.reader, from: .time(reading.start))
    }

    /// Returns the slot of the next partition to repair. The partitions are served in turn. A slot
    /// is ready if its core knows which output to look up, or which part of the tape to read.
    private func nextRepair() -> Int? {
        for offset in slots.indices {
            let index = (slotRepairedLast + 1 + offset) % slots.count
            let slot = slots[index]
            guard let core = slot.core, core.hasRepair, slot.isOwned, case .working = slot.stage,
                core.precedentOrdinal != nil || core.repairPart != nil
            else { continue }
            return index
        }
        return nil
    }

    /// Takes a packet of the second or third reader of a partition.
    func takePacketForRepair(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        let index = reader - slots.count
        guard index < slots.count else { return takePacketOfBars(reader, header, packet) }
        guard repairing?.slot == index, let position = readers.position(reader) else { return }
        switch repairing?.take(header, at: position.sequence) {
        case .next: break
        case .refused(let reason, let detail): return refuseRepair(reason, detail)
        case nil: return
        }
        let isSecond = repairing?.isSecond ?? false
        packet.withPayload { bytes in
            if isSecond {
                slots[index].core?.takeOfSecondPass(header, bytes)
            } else {
                slots[index].core?.takeOfFirstPass(header, bytes)
            }
        }
        if repairing?.isPassOver ?? false { endPass(index) }
    }

    /// Ends a pass. After the first one, it finds out whether the reading saw everything: if the
    /// tape had lost packets before it, the repair would compute wrong bars.
    private func endPass(_ index: Int) {
        guard repairing?.endPass() ?? false, let repairing else {
            return refuseRepair(.unreadable, "the tape changed while it was read")
        }
        readers.close(repairReader(index))
        // Without an entry every source was read from its first ordinal, so nothing came earlier.
        guard repairing.passesEnded == 1, !repairing.firstPackets.firstOfSource.isEmpty else {
            return continueRepair(index)
        }
        // The question comes after the reading: packets that the tape still holds now were not
        // removed meanwhile. The starts of the partition's other sources may prove that, too.
        var sources = Set(repairing.firstPackets.firstOfSource.keys)
        sources.formUnion(slots[index].core?.machine.sources.entries.map(\.name) ?? [])
        ask(.reach(sources.sorted()), index)
    }

    /// Continues after a pass: with the second pass, by reading bars back, or to the end.
    private func continueRepair(_ index: Int) {
        guard let repairing else { return }
        let isFirst = repairing.passesEnded == 1
        if isFirst, let detail = slots[index].core?.mispairing {
            refuseRepair(.fetched, detail)
        } else if isFirst, slots[index].core?.endFirstPass() ?? false {
            readers.open(repairing.reader, from: .time(repairing.start))
        } else if let bars = slots[index].core?.barsToReadBack {
            self.repairing?.barsReadBack = bars
        } else {
            finishRepair(index, published: [])
        }
    }

    /// Lets the core publish the result. `published` are the bars that were read back; it is empty
    /// when there were none to read.
    func finishRepair(_ index: Int, published: [Bar]) {
        guard let repairing else { return }
        self.repairing = nil
        let outcome = slots[index].core?.finishRepair(published: published)
        visits.change(index)
        let nanoseconds = clock.monotonic() - repairing.startedAt
        metrics.repaired(nanoseconds: nanoseconds)
        reportDone(index, repairing, outcome ?? .init(), nanoseconds: nanoseconds)
    }

    // MARK: questions to the tape
    // The repair waits for the answer. The checkpoint threads answer, because they may block.

    /// Sends a question about the slot's partition. The repair continues with the answer.
    func ask(_ question: RepairQuestion, _ index: Int) {
        questionsAsked += 1
        openQuestion = RepairAsking(slot: index, number: questionsAsked, question: question)
        sendQuestion(now: clock.monotonic())
    }

    private func sendQuestion(now: MonotonicTime) {
        guard let openQuestion, openQuestion.isToBeSent(now: now) else { return }
        let job = CheckpointJob.repair(
            slots[openQuestion.slot].partition, number: openQuestion.number, openQuestion.question)
        if checkpoints.ask(job) { self.openQuestion?.sent(now: now) }
    }

    private func handle(_ answer: RepairAnswer, _ index: Int) {
        switch answer {
        case .precedent(let precedent):
            slots[index].core?.takePrecedent(precedent)
            visits.change(index)
        case .reach(let reach):
            guard let repairing else { return }
            if let shortfall = reach.shortfall(repairing.firstPackets) {
                refuseRepair(.retention, shortfall)
            } else {
                continueRepair(index)
            }
        case .ends(let ends): beginReadingBack(index, ends)
        case .failed(let reason):
            context.telemetry.emit(
                .repairDelayed(partition: slots[index].partition, reason: reason))
            repairLater()
        }
    }

    // MARK: refused and dropped repairs

    /// Refuses the repair. The published versions stay, and the partition continues.
    func refuseRepair(_ reason: RepairRefusal, _ detail: String) {
        guard let repairing else { return }
        self.repairing = nil
        openQuestion = nil
        let index = repairing.slot
        visits.change(index)
        readers.close(repairing.reader)
        guard let ranges = slots[index].core?.refuseRepair(reason, detail) else { return }
        reportRefused(index, ranges, detail)
    }

    /// Drops the reading, and lets the repair begin again later. The core keeps its repair:
    /// `beginRepair` replaces what the core has read.
    private func repairLater() {
        repairsFrom = clock.monotonic() + Self.againNanoseconds
        guard let repairing else { return }
        self.repairing = nil
        readers.close(repairing.reader)
    }

    /// Drops the repair when the partition leaves or begins again. Its next owner does it again.
    func dropRepair(_ index: Int) {
        if openQuestion?.slot == index { openQuestion = nil }
        slots[index].core?.dropReading()
        guard let repairing, repairing.slot == index else { return }
        self.repairing = nil
        readers.close(repairing.reader)
        context.telemetry.emit(.repairDropped(partition: slots[index].partition))
    }
}
