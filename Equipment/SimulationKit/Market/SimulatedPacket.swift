internal import MarketModel
internal import Primitives
package import TapeCodec

/// One packet of a partition as stored on a tape, with its position.
package struct SimulatedPacket: Sendable {
    package let header: PacketHeader
    package let bytes: [UInt8]
    package let position: TapePosition

    init(_ packet: SealedPacket, at position: TapePosition) {
        header = packet.header
        bytes = packet.withBytes { span in
            (0..<span.byteCount).map { span.uint8(at: $0) }
        }
        self.position = position
    }
}

/// Stores packets at consecutive positions of one stream.
struct TapeWriter {
    static let streamCreated = Timestamp(nanoseconds: 77)

    private(set) var packets: [SimulatedPacket] = []
    private var sources: [SourceOrdinal] = []

    mutating func store(_ packet: SealedPacket) {
        let header = packet.header
        if header.kind == .ticks {
            sources.removeAll { $0.source == header.source }
            sources.append(
                SourceOrdinal(
                    source: header.source, epoch: header.epoch,
                    lastOrdinal: header.nextOrdinal &- 1))
            sources.sort { $0.source < $1.source }
        }
        packets.append(
            SimulatedPacket(
                packet,
                at: TapePosition(
                    streamCreated: Self.streamCreated, sequence: UInt64(packets.count + 1),
                    packet: header.identity, sources: sources)))
    }
}
