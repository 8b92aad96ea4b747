public import Primitives

/// The place of a symbol's definition as this version writes it, for readers that recognise a
/// definition by its bytes. All offsets are counted from the start of the packet.
///
/// A reader's next message is behind the definition. So its end follows from three lengths alone,
/// and the processor reads on while the reader still looks the symbol up.
@frozen
public struct DefinitionBounds: Sendable, BitwiseCopyable {
    /// The offset of the index that the symbol's ticks use.
    public let index: Int
    public let name: Int
    public let nameEnd: Int
    /// The offset after the definition.
    public let end: Int

    /// The offset of everything that the definition says beside the index. It has at least 16
    /// bytes.
    @inlinable @inline(__always)
    public var content: Int { index &+ 8 }

    /// Returns `nil` when there is another message, also a definition of a later version, or a
    /// damaged one. `start` is a message's offset in the packet.
    @inlinable @inline(__always)
    public init?(at start: Int, in packet: RawSpan) {
        let count = packet.byteCount
        guard count &- start >= WireFormat.TickBytes.trade else { return nil }
        let head = packet.uint64(at: start)
        let block: Int
        if head == WireFormat.Head.symbolDefinition {
            block = WireFormat.Block.symbolDefinition
        } else if head == WireFormat.Head.symbolDefinitionWithLot {
            block = WireFormat.Block.symbolDefinitionWithLot
        } else {
            return nil
        }
        index = start &+ WireFormat.messageHeaderBytes
        name = index &+ block &+ WireFormat.lengthBytes
        nameEnd = name &+ Int(packet.uint32(at: name &- WireFormat.lengthBytes))
        guard count &- nameEnd >= WireFormat.lengthBytes else { return nil }
        let provider = nameEnd &+ WireFormat.lengthBytes
        let providerEnd = provider &+ Int(packet.uint32(at: nameEnd))
        guard count &- providerEnd >= WireFormat.lengthBytes else { return nil }
        end = providerEnd &+ WireFormat.lengthBytes &+ Int(packet.uint32(at: providerEnd))
        guard end <= count else { return nil }
    }
}
