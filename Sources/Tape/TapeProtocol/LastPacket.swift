package import TapeCodec

/// The last packet of a subject, as the tape has it.
package struct LastPacket: Hashable, Sendable {
    package var sequence: UInt64
    package var identity: PacketIdentity
    /// The ordinal after its last tick.
    package var nextOrdinal: UInt64

    package init(sequence: UInt64, header: PacketHeader) {
        self.sequence = sequence
        identity = header.identity
        nextOrdinal = header.nextOrdinal
    }

    package var epoch: UInt64 { identity.epoch }
}
