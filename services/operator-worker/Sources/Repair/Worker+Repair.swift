import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import Telemetry

// Repairs: a second reader of the same partition reads a part of the tape again, twice
// when it is much, while the first one is held. One partition at a time, so that what lies in
// memory of it is bounded; the others of the worker go on.
extension Worker {
    private static let againNanoseconds: Int64 = 1_000_000_000

    /// Readers are added together: first those of the partitions, then those of their repairs, then
    /// those of the bars that stand.
    private func repairReader(_ index: Int) -> Int { slots.count + index }
    func standingReader(_ index: Int) -> Int { slots.count * 2 + index }

    func addRepairReaders() {
        let names = client.names
        for slot in slots {
            // What works over all partitions repairs nothing: the bars that it reads are repaired.
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
            precondition(reader == standingReader(slot.reader), "readers and slots go together")
        }
    }

    /// Begins with the next repair when none is under way, and notices one that cannot go on.
    func repair(now: Int64) {
        if let repairing {
            if let problem = readers.problem(repairing.reader) {
                refuseRepair("\(problem)")
            } else if repairing.standing != nil, repairing.standingUntil == 0 {
                readBack(repairing.slot)
            }
            return
        }
        guard now >= repairsFrom, let index = nextRepair() else { return }
        guard let needs = slots[index].core?.repairNeeds else { return }
        repairedLast = index
        slots[index].core?.beginRepair()
        let reading = RepairReading(slot: index, reader: repairReader(index), needs, now: now)
        repairing = reading
        readers.open(reading.reader, from: reading.start)
    }

    /// Each has its turn.
    private func nextRepair() -> Int? {
        let order = slots.indices.map { (repairedLast + 1 + $0) % slots.count }
        return order.first { index in
            guard slots[index].isOwned, case .working = slots[index].stage else { return false }
            return slots[index].core?.repairNeeds != nil
        }
    }

    func tookForRepair(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        let index = reader - slots.count
        guard index < slots.count else { return tookStanding(reader, header, packet) }
        guard repairing?.slot == index, let position = readers.position(reader) else { return }
        switch repairing?.take(header, at: position.sequence) {
        case .next: break
        case .begins:
            do {
                if let reason = try shortfall(index, header, at: position.sequence) {
                    return refuseRepair(reason)
                }
            } catch {
                context.telemetry.emit(
                    RepairDelayed(partition: slots[index].partition, reason: "\(error)"))
                return repairLater()
            }
        case .refused(let reason): return refuseRepair(reason)
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

    /// Why the tape does not reach back to where the repair begins; nil: it does. The source's
    /// first packet that was read is its first on the tape, or another one stood there in time.
    private func shortfall(
        _ index: Int, _ header: PacketHeader, at sequence: UInt64
    ) throws -> String? {
        guard let start = repairing?.start, let core = slots[index].core else { return nil }
        let partition = slots[index].partition
        let message = try client.jetStream.firstMessage(
            stream: client.names.tickStream(of: partition), from: 1,
            subject: client.names.ticks(partition, header.source))
        guard let message else { return "the tape of \(header.source) was emptied meanwhile" }
        let first = try StoredPacket(message).header
        guard first.firstOrdinal > 1 else { return nil }
        // A repair that was begun is done by the next owner, too.
        let margin = core.ledger.isPastStanding ? RepairReading.reachNanoseconds : 0
        let reach = first.sendTime.advanced(byNanoseconds: margin)
        guard message.sequence >= sequence || reach > start else { return nil }
        return "the tape of \(header.source) begins at \(first.sendTime), and "
            + "\(margin > 0 ? "an hour behind that " : "")repairs reach back to \(reach)"
    }

    private func endPass(_ index: Int) {
        let reader = repairReader(index)
        let isSecond = repairing?.isSecond ?? false
        guard repairing?.endPass() ?? false, let repairing else {
            return refuseRepair("the tape changed while it was read")
        }
        readers.close(reader)
        if !isSecond, slots[index].core?.endRepairNotes() ?? false {
            readers.open(reader, from: repairing.start)
            return
        }
        if let standing = slots[index].core?.standingBars {
            self.repairing?.standing = standing
        } else {
            finishRepair(index, standing: [])
        }
    }

    func finishRepair(_ index: Int, standing: [Bar]) {
        guard let repairing else { return }
        let bars = slots[index].core?.finishRepair(standing: standing) ?? 0
        let now = clock.monotonic().nanoseconds
        let done = RepairDone(
            partition: slots[index].partition, ranges: repairing.needs.ranges.count, bars: bars,
            packets: repairing.first?.packets ?? 0, nanoseconds: now - repairing.startedAt)
        metrics.repaired(nanoseconds: done.nanoseconds)
        context.telemetry.emit(done)
        slots[index].lastRepair = "\(bars) versions of bars"
        self.repairing = nil
    }

    // MARK: repairs that are not done

    /// The versions that stand are right as far as anybody can tell, and the partition goes on.
    func refuseRepair(_ reason: String) {
        guard let repairing else { return }
        self.repairing = nil
        let index = repairing.slot
        readers.close(repairing.reader)
        tellRefused(index, slots[index].core?.refuseRepair() ?? repairing.needs.ranges, reason)
    }

    func repairLater() {
        guard let repairing else { return }
        self.repairing = nil
        readers.close(repairing.reader)
        repairsFrom = clock.monotonic().nanoseconds + Self.againNanoseconds
    }

    /// Ranges that were not even begun with.
    func tellRefusedRanges(_ index: Int) {
        guard let ranges = slots[index].core?.refusedRanges, !ranges.isEmpty else { return }
        slots[index].core?.refusedRanges = []
        tellRefused(
            index, ranges, "it is longer than \(RepairAgenda.daysMax) days: ask for parts of it")
    }

    private func tellRefused(_ index: Int, _ ranges: [DirtyRange], _ reason: String) {
        let symbol = ranges.first.flatMap { range in
            slots[index].core.flatMap { core in
                range.symbol < core.machine.symbols.count
                    ? core.machine.symbols.symbol(at: range.symbol).text : nil
            }
        }
        context.telemetry.emit(
            RepairRefused(
                partition: slots[index].partition, symbol: symbol ?? "",
                from: Timestamp(nanoseconds: ranges.map(\.from).min() ?? 0),
                to: Timestamp(nanoseconds: ranges.map(\.to).max() ?? 0), ranges: ranges.count,
                reason: reason))
        slots[index].lastRepair = "refused: \(reason)"
    }

    /// The partition leaves, or begins anew: its next owner does the repair again.
    func dropRepair(_ index: Int) {
        guard let repairing, repairing.slot == index else { return }
        self.repairing = nil
        readers.close(repairing.reader)
        context.telemetry.emit(RepairDropped(partition: slots[index].partition))
    }
}
