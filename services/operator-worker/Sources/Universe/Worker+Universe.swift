import MarketModel
import OperatorGraph
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

// The share over all partitions: what it reads, and what it reports.
extension Worker {
    /// Returns the input of a share: a partition's ticks, with the watermarks that its sources
    /// publish for a stream of partitions, or the bars of all partitions.
    func input(_ share: Partition) -> TapeReaders.Input {
        let names = client.names
        guard share != names.universe else {
            return TapeReaders.Input(
                partition: share, stream: names.barStream, filters: [names.allBars],
                spansPartitions: true)
        }
        return TapeReaders.Input(
            partition: share, stream: names.tickStream(of: share),
            filters: [
                names.ticks(share), names.watermarks(stream: names.streamIndex(of: share)),
            ], sharesConsumer: true)
    }

    /// Reports for which partitions the share over all of them does not wait, when that has
    /// changed: their bars are too late.
    func reportLeftOut() {
        guard let index = slotOfPartition[client.names.universe] else { return }
        let leftOut = slots[index].core?.universe?.leftOut ?? []
        guard leftOut != slots[index].leftOut else { return }
        slots[index].leftOut = leftOut
        context.telemetry.emit(.partitionsLeftOut(partitions: leftOut))
    }

    /// Returns the positions of the share over all partitions: one for the bars of each partition,
    /// up to the same packet. Its own output counts as a source of `universeHome`, and as read,
    /// because no operator reads it.
    func reportedPositions(_ slot: PartitionSlot, at position: TapePosition) -> [ReaderPosition] {
        var sources: [Partition: SourceOrdinal] = [:]
        for var source in position.sources {
            guard let partition = source.source.partitionOfBars else { continue }
            source.source = .operator
            sources[partition] = source
        }
        let own = SourceOrdinal(
            source: .universe, epoch: publisher.epoch(lane: slot.lane),
            lastOrdinal: publisher.nextOrdinal(lane: slot.lane) - 1)
        return (0..<client.names.partitions).map { number in
            let partition = Partition(number)
            var read = sources[partition].map { [$0] } ?? []
            if partition == TapeNames.universeHome, slot.progress.openedAt != nil {
                read.append(own)
            }
            return ReaderPosition(
                partition: partition, input: .bars, sequence: position.sequence,
                durable: slot.durable, sources: read, proof: ReaderPosition.Proof(position))
        }
    }
}
