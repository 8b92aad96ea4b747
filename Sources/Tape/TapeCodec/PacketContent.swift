internal import Primitives

/// What identifies the content of a packet, without its epoch, ordinals and send time. A packet
/// that is sealed again keeps its content. By it, the spool finds the frame whose packet is on the
/// tape.
public struct PacketContent: Hashable, Sendable {
    public let byteCount: Int
    public let tickCount: UInt32
    /// XXH3 of everything after the header.
    public let checksum: UInt64

    /// `header` must have been read from these bytes.
    public init(of packet: RawSpan, _ header: PacketHeader) {
        byteCount = Int(header.byteCount)
        tickCount = header.tickCount
        checksum = Checksum.of(packet.extracting(WireFormat.HeaderOffset.end..<byteCount))
    }
}
