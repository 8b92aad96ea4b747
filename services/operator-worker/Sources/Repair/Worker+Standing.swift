import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import Telemetry

// Behind both passes of a repair: the bars that stand where others may come to be are read back.
extension Worker {
    /// Begins when everything that was computed before stands on the tape.
    func readBack(_ index: Int) {
        guard slots[index].core?.isOutputOut ?? false, let reading = repairing else { return }
        let (stream, subject) = (client.names.barStream, client.names.bars(slots[index].partition))
        do {
            guard let last = try client.jetStream.lastMessage(stream: stream, subject: subject),
                let oldest = try client.jetStream.firstMessage(
                    stream: stream, from: 1, subject: subject)
            else { return refuseRepair("the tape of bars was emptied meanwhile") }
            let first = try StoredPacket(oldest).header
            guard first.firstOrdinal <= 1 || oldest.time <= reading.standingStart else {
                return refuseRepair(
                    "the bars that stand there have to be read back, and their tape begins at "
                        + "\(oldest.time)")
            }
            guard last.time >= reading.standingStart else {
                return finishRepair(index, standing: [])
            }
            repairing?.standingUntil = last.sequence
            repairing?.reader = standingReader(index)
            readers.open(standingReader(index), from: reading.standingStart)
        } catch {
            context.telemetry.emit(
                RepairDelayed(partition: slots[index].partition, reason: "\(error)"))
            repairLater()
        }
    }

    func tookStanding(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        let index = reader - standingReader(0)
        guard repairing?.slot == index, repairing?.reader == reader,
            let position = readers.position(reader)
        else { return }
        packet.withPayload { repairing?.standing?.take(header, $0) }
        guard position.sequence >= repairing?.standingUntil ?? 0 else { return }
        readers.close(reader)
        guard let standing = repairing?.standing, !standing.isTooMany else {
            return refuseRepair(
                "more than \(StandingBars.barsMax) bars stand in that time: ask for parts of it")
        }
        finishRepair(index, standing: standing.bars)
    }
}
