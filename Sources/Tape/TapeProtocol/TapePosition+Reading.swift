package import MarketModel
internal import Primitives
package import TapeCodec

extension TapePosition {
    /// Returns a position before the first packet of a stream, whichever packet that is, with the
    /// ordinals that were read from these sources before. A store has it when it knows its ordinals
    /// but not its packet.
    package static func start(sources: [SourceOrdinal]) -> TapePosition {
        TapePosition(
            streamCreated: .undefined, sequence: 0,
            packet: PacketIdentity(epoch: 0, firstOrdinal: 0, checksum: 0),
            sources: sources.sorted { $0.source < $1.source })
    }

    /// Whether the position has a packet, with which it can be proven.
    package var hasPacket: Bool { sequence > 0 }

    /// Returns the last ordinal that was read from the source; `nil` when none was.
    package func source(_ name: SourceName) -> SourceOrdinal? {
        sources.first { $0.source == name }
    }

    /// Takes the packet's epoch and ordinals as the last ones of its source. The sources stay
    /// sorted by name.
    mutating func advance(by header: PacketHeader) {
        let last = header.nextOrdinal &- 1
        if let index = sources.firstIndex(where: { $0.source == header.source }) {
            sources[index].epoch = header.epoch
            sources[index].lastOrdinal = last
            return
        }
        let entry = SourceOrdinal(source: header.source, epoch: header.epoch, lastOrdinal: last)
        let place = sources.firstIndex { $0.source > header.source } ?? sources.count
        sources.insert(entry, at: place)
    }
}
