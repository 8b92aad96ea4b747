import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

// The last step of a repair, after its passes over ticks: the bars that the partition has published
// in the time of the repair are read back from the tape.
extension Worker {
    /// Begins to read back. All earlier output is on the tape. `ends` are the first and last packet
    /// of the partition's bars; `nil` when there is none, although the partition has published.
    func beginReadingBack(_ index: Int, _ ends: BarTapeEnds?) {
        guard let reading = repairing else { return }
        guard let ends else {
            return refuseRepair(.bars, "the tape of bars was emptied meanwhile")
        }
        guard reading.reachesBack(ends) else {
            return refuseRepair(
                .bars,
                "the bars that stand there have to be read back, and their tape begins at "
                    + "\(ends.first)")
        }
        // The newest packet of bars was stored before, so there is nothing to read back.
        guard ends.last >= reading.barsStart else { return finishRepair(index, published: []) }
        repairing?.barsReadUntil = ends.lastSequence
        repairing?.reader = publishedReader(index)
        readers.open(publishedReader(index), from: .time(reading.barsStart))
    }

    /// Takes a packet of the bars that are read back, and finishes the repair after the last one.
    func takePacketOfBars(_ reader: Int, _ header: PacketHeader, _ packet: NatsMessage) {
        let index = reader - publishedReader(0)
        guard repairing?.slot == index, repairing?.reader == reader,
            let position = readers.position(reader)
        else { return }
        packet.withPayload { repairing?.barsReadBack?.take(header, $0) }
        guard position.sequence >= repairing?.barsReadUntil ?? 0 else { return }
        readers.close(reader)
        guard let published = repairing?.barsReadBack, !published.isTooMany else {
            return refuseRepair(
                .bars,
                "more than \(PublishedBars.barsMax) bars stand in that time: ask for parts of it")
        }
        finishRepair(index, published: published.bars)
    }
}
