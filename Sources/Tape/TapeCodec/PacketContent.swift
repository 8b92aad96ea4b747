internal import Primitives

/// What a packet holds, whatever its epoch, ordinals and send time are: a packet that is sealed
/// anew keeps it.
public struct PacketContent: Hashable, Sendable {
    public let byteCount: Int
    public let tickCount: UInt32
    /// XXH3 of everything behind the header.
    public let checksum: UInt64

    /// The header was read from these bytes.
    public init(of packet: RawSpan, _ header: PacketHeader) {
        byteCount = Int(header.byteCount)
        tickCount = header.tickCount
        checksum = Checksum.of(packet.extracting(WireFormat.HeaderOffset.end..<byteCount))
    }
}
