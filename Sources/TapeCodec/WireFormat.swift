/// Every number of the wire format in one place. `tape.sbe.xml` says the same to other languages.
///
/// A packet is a sequence of SBE messages, each behind the standard 8-byte header. A template's
/// number tells its shape, so that a reader can step over one that it has never heard of:
///
///     bit 15       it is a tick: it has an ordinal and counts
///     bits 8..11   how many variable-length fields follow its block (4 bytes of length each)
///     bits 0..7    which one it is
///
/// There are no repeating groups: their number would not be known from outside.
public enum WireFormat {
    public static let schemaID: UInt16 = 0x7a9e
    public static let version: UInt16 = 1

    /// blockLength, templateId, schemaId, version: 16 bits each, little endian.
    public static let messageHeaderBytes = 8
    /// The length in front of a variable-length field.
    public static let lengthBytes = 4

    /// The four fields of the header as the one word that they are on the wire.
    @inline(__always)
    static func messageHeader(_ template: UInt16, block: Int) -> UInt64 {
        UInt64(UInt16(truncatingIfNeeded: block)) | UInt64(template) << 16
            | UInt64(schemaID) << 32 | UInt64(version) << 48
    }

    public enum Template {
        public static let packetHeader: UInt16 = 0x0001
        public static let epochMarker: UInt16 = 0x0002
        public static let outputState: UInt16 = 0x0003
        public static let sourceOrdinal: UInt16 = 0x0004
        public static let symbolDefinition: UInt16 = 0x0305
        public static let seriesDefinition: UInt16 = 0x0106
        public static let trade: UInt16 = 0x8010
        public static let quote: UInt16 = 0x8011
        public static let bar: UInt16 = 0x8020

        @inlinable @inline(__always)
        public static func isTick(_ template: UInt16) -> Bool { template & 0x8000 != 0 }

        @inlinable @inline(__always)
        public static func variableFields(_ template: UInt16) -> Int { Int(template >> 8 & 0xf) }
    }

    /// The root blocks as this version writes them. A reader takes longer ones, too.
    public enum Block {
        public static let packetHeader = 80
        public static let epochMarker = 40
        public static let outputState = 56
        public static let sourceOrdinal = 40
        public static let symbolDefinition = 16
        public static let seriesDefinition = 16
        public static let trade = 64
        public static let quote = 80
        public static let bar = 136
    }

    /// Where the header's fields stand, counted from the start of the packet.
    public enum HeaderOffset {
        public static let checksum = 8
        /// The checksum covers everything from here to the end of the packet.
        public static let checkedBytes = 16
        public static let byteCount = 16
        public static let tickCount = 20
        public static let epoch = 24
        public static let firstOrdinal = 32
        public static let watermark = 40
        public static let sendTime = 48
        public static let partition = 56
        public static let kind = 58
        public static let flags = 59
        public static let source = 64
        public static let end = 88
    }
}

/// The bounds of a packet, and how they hang together.
public enum PacketLimits {
    /// Above it a packet is refused unread. Below NATS' shipped maximum of 1 MiB with its headers.
    public static let bytesMax = 1_000_000
    /// A packet leaves at the latest with this many ticks: beyond it, packing more saves nothing.
    public static let ticksMax = 1_024
    /// A packet takes no more ticks when it has grown to this: keeps latency and memory bounded.
    public static let growthBytesMax = 128 * 1024
    /// Symbols and series that one packet may define.
    public static let definitionsMax = 1_024
    /// The largest single tick with all the definitions that it may need.
    public static let tickBytesMax = 4 * 1024
}
