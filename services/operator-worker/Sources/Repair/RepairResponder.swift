import MarketModel
import NatsTransport
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Answers the questions of a repair, on a checkpoint thread. Every call to `jetStream` blocks up
/// to its deadline.
struct RepairResponder {
    /// The maximum number of markers that are skipped to find a source's second packet with
    /// content. Beyond, that packet counts as unknown.
    private static let markersMax = 64

    let names: TapeNames
    let jetStream: JetStream

    func answer(_ question: RepairQuestion, of partition: Partition) -> RepairAnswer {
        do {
            switch question {
            case .precedent(let ordinal):
                return .precedent(try precedent(at: ordinal, of: partition))
            case .reach(let sources):
                return .reach(
                    RepairReach(starts: try sources.map { try start(of: $0, partition) }))
            case .ends: return .ends(try ends(of: partition))
            }
        } catch {
            return .failed("\(error)")
        }
    }

    // MARK: the tape of ticks

    /// Returns the first packet of a source and its next one with content. Markers are skipped:
    /// retention keeps a subject's newest packet, and that may be a marker.
    private func start(
        of source: SourceName, _ partition: Partition
    ) throws -> RepairReach.Start {
        let first = try packet(source, partition, from: 1)
        var place = first.map { Self.place($0) }
        if let first, first.marker?.previousSequence == 0 {
            let stream = try jetStream.streamInfo(names.tickStream(of: partition))
            place?.streamMade = stream?.created ?? .undefined
        }
        var start = RepairReach.Start(source: source, first: place)
        var sequence = first?.last.sequence ?? 0
        for _ in 0..<Self.markersMax where sequence > 0 && start.second == nil {
            guard let next = try packet(source, partition, from: sequence + 1) else { break }
            sequence = next.last.sequence
            if !next.header.flags.contains(.epochMarker) { start.second = Self.place(next) }
        }
        return start
    }

    /// Returns a source's first packet at this sequence or later; `nil` when there is none.
    private func packet(
        _ source: SourceName, _ partition: Partition, from sequence: UInt64
    ) throws -> StoredPacket? {
        try jetStream.firstMessage(
            stream: names.tickStream(of: partition), from: sequence,
            subject: names.ticks(partition, source)
        ).map { try StoredPacket($0) }
    }

    private static func place(_ packet: StoredPacket) -> RepairReach.Packet {
        RepairReach.Packet(
            sequence: packet.last.sequence, sendTime: packet.header.sendTime,
            firstOrdinal: packet.header.firstOrdinal)
    }

    // MARK: the tape of bars

    /// Returns the first and the last packet of the partition's bars; `nil` when there is none.
    private func ends(of partition: Partition) throws -> BarTapeEnds? {
        let (stream, subject) = (names.barStream, names.bars(partition))
        guard let last = try jetStream.lastMessage(stream: stream, subject: subject),
            let oldest = try jetStream.firstMessage(stream: stream, from: 1, subject: subject)
        else { return nil }
        return BarTapeEnds(
            first: oldest.time, firstOrdinal: try StoredPacket(oldest).header.firstOrdinal,
            last: last.time, lastSequence: last.sequence)
    }

    /// Returns what an earlier owner published at the ordinal.
    func precedent(at ordinal: UInt64, of partition: Partition) throws -> RepairPrecedent {
        guard let packet = try packet(holding: ordinal, of: partition) else { return .purged }
        let refusal = packet.withBytes { RefusedRepair(at: ordinal, of: packet.header, in: $0) }
        return refusal.map { .refused($0) } ?? .done
    }

    /// Returns the packet that holds an ordinal; `nil` when there is none. Ordinals rise along a
    /// subject, so a binary search finds it.
    private func packet(
        holding ordinal: UInt64, of partition: Partition
    ) throws -> StoredPacket? {
        let (stream, subject) = (names.barStream, names.bars(partition))
        guard let info = try jetStream.streamInfo(stream) else { return nil }
        var (low, high) = (max(1, info.firstSequence), info.lastSequence)
        while low <= high {
            let middle = low + (high - low) / 2
            let found = try jetStream.firstMessage(stream: stream, from: middle, subject: subject)
            guard let packet = try found.map({ try StoredPacket($0) }),
                packet.header.firstOrdinal <= ordinal
            else {
                high = middle - 1
                continue
            }
            if packet.header.nextOrdinal > ordinal { return packet }
            low = packet.last.sequence + 1
        }
        return nil
    }
}
