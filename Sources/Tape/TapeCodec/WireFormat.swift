/// The rules and the shared numbers of the wire format. `tape.sbe.xml` defines the same for other
/// languages.
///
/// A packet is a sequence of SBE messages, each after a standard 8-byte header. A template's number
/// encodes its shape, so that a reader can step over an unknown one:
///
///     bit 15       it is a tick: it has an ordinal and counts
///     bits 8..11   how many variable-length fields follow its block (4 bytes of length each)
///     bits 0..7    which one it is
///
/// In this module, a *tick* is every message with bit 15, which the glossary calls a record.
///
/// There are no repeating groups, because a reader that does not know a template could not learn
/// their number.
public enum WireFormat {
    /// The number of the schema, by which a packet of the tape is recognised.
    public static let schemaID: UInt16 = 0x7a9e
    /// The version of a message without the fields that its block may end with (`sinceVersion` in
    /// the schema). A message with them has their version, so that a reader of the schema knows
    /// whether they are there. A field of a later release gets the next version.
    public static let version: UInt16 = 1

    /// The size of a message header: blockLength, templateId, schemaId, version, 16 bits each,
    /// little endian.
    public static let messageHeaderBytes = 8
    /// The size of the header that every tick but the bar begins with. A bar has neither times nor
    /// an id of a provider.
    public static let tickHeaderBytes = 32
    /// The size of the length before each variable-length field.
    public static let lengthBytes = 4

    /// Returns the four fields of the header as one word, as the wire has them.
    @inlinable @inline(__always)
    static func messageHeader(
        _ template: UInt16, block: Int, version: UInt16 = version
    ) -> UInt64 {
        UInt64(UInt16(truncatingIfNeeded: block)) | UInt64(template) << 16
            | UInt64(schemaID) << 32 | UInt64(version) << 48
    }

    /// The numbers of the templates.
    public enum Template {
        public static let packetHeader: UInt16 = 0x0001
        public static let epochMarker: UInt16 = 0x0002
        public static let outputState: UInt16 = 0x0003
        public static let sourceOrdinal: UInt16 = 0x0004
        public static let symbolDefinition: UInt16 = 0x0305
        public static let seriesDefinition: UInt16 = 0x0106
        public static let sourceState: UInt16 = 0x0007
        public static let groupMember: UInt16 = 0x0008

        // The hot records. The template of each other kind is in the folder `Records`, with its
        // reader and writer.
        public static let trade: UInt16 = 0x8010
        public static let quote: UInt16 = 0x8011
        public static let bar: UInt16 = 0x8020

        /// Returns whether a message of the template is a tick, even when the template is unknown.
        @inlinable @inline(__always)
        public static func isTick(_ template: UInt16) -> Bool { template & 0x8000 != 0 }

        @inlinable @inline(__always)
        static func isDefinition(_ template: UInt16) -> Bool {
            template == symbolDefinition || template == seriesDefinition
        }

        /// Returns the number of variable-length fields, even when the template is unknown.
        @inlinable @inline(__always)
        public static func variableFields(_ template: UInt16) -> Int { Int(template >> 8 & 0xf) }
    }

    /// The lengths of the blocks that are written. A reader accepts longer ones, which a newer
    /// release wrote, and reads the part that it knows.
    public enum Block {
        public static let packetHeader = 80
        public static let epochMarker = 40
        public static let outputState = 56
        public static let sourceOrdinal = 40
        public static let symbolDefinition = 16
        /// The block with the fields of version 2, which a definition without a lot leaves out.
        public static let symbolDefinitionWithLot = 40
        public static let seriesDefinition = 16
        /// The block with the field of version 2.
        public static let seriesDefinitionWithLateness = 24
        public static let sourceState = 40
        /// The block with the field of version 2.
        public static let sourceStateWithWatermark = 48
        public static let groupMember = 48
        public static let trade = 64
        public static let quote = 80
        public static let bar = 136

        /// Returns the minimal length of a template's block; 0 for an unknown template.
        static func known(_ template: UInt16) -> Int {
            switch template {
            case Template.packetHeader: packetHeader
            case Template.epochMarker: epochMarker
            case Template.outputState: outputState
            case Template.sourceOrdinal: sourceOrdinal
            case Template.symbolDefinition: symbolDefinition
            case Template.seriesDefinition: seriesDefinition
            case Template.sourceState: sourceState
            case Template.groupMember: groupMember
            default: RecordKind(template: template)?.block ?? 0
            }
        }
    }

    /// The message headers of the hot ticks, each as one word, as `RecordCursor` compares them.
    @usableFromInline
    enum Head {
        @inlinable @inline(__always)
        static var trade: UInt64 { messageHeader(Template.trade, block: Block.trade) }
        @inlinable @inline(__always)
        static var quote: UInt64 { messageHeader(Template.quote, block: Block.quote) }
        @inlinable @inline(__always)
        static var bar: UInt64 { messageHeader(Template.bar, block: Block.bar) }
        @inlinable @inline(__always)
        static var symbolDefinition: UInt64 {
            messageHeader(Template.symbolDefinition, block: Block.symbolDefinition)
        }
        @inlinable @inline(__always)
        static var symbolDefinitionWithLot: UInt64 {
            messageHeader(
                Template.symbolDefinition, block: Block.symbolDefinitionWithLot, version: 2)
        }
    }

    /// The lengths of the complete hot ticks, including the message header. `RecordCursor` relies
    /// on the trade to be the shortest.
    @usableFromInline
    enum TickBytes {
        @inlinable @inline(__always)
        static var trade: Int { messageHeaderBytes + Block.trade }
        @inlinable @inline(__always)
        static var quote: Int { messageHeaderBytes + Block.quote }
        @inlinable @inline(__always)
        static var bar: Int { messageHeaderBytes + Block.bar }
    }

    /// The offsets of the fields that hot ticks begin with, counted from the start of the block.
    public enum TickField {
        @inlinable public static var symbol: Int { 0 }
        @inlinable public static var flags: Int { 4 }
        @inlinable public static var action: Int { 6 }
        @inlinable public static var resolution: Int { 7 }
        @inlinable public static var providerTime: Int { 8 }
        @inlinable public static var receiveTime: Int { 16 }
        @inlinable public static var providerID: Int { 24 }
    }

    /// The offsets of the other fields of a trade.
    public enum TradeField {
        @inlinable public static var price: Int { 32 }
        @inlinable public static var size: Int { 40 }
        @inlinable public static var exchange: Int { 48 }
        @inlinable public static var conditions: Int { 56 }
    }

    /// The offsets of the other fields of a quote.
    public enum QuoteField {
        @inlinable public static var bidPrice: Int { 32 }
        @inlinable public static var bidSize: Int { 40 }
        @inlinable public static var askPrice: Int { 48 }
        @inlinable public static var askSize: Int { 56 }
        @inlinable public static var bidExchange: Int { 64 }
        @inlinable public static var askExchange: Int { 72 }
    }

    /// The offsets of the header's fields, counted from the start of the packet.
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

/// The bounds of a packet.
public enum PacketLimits {
    /// A packet above this size is refused unread. With the headers of its NATS message it is below
    /// NATS' default maximum of 1 MiB.
    public static let bytesMax = 1_000_000
    /// A packet with this many ticks takes no more, unless it may not leave yet (`heldTicksMax`) or
    /// its publisher was set to larger ones (`PacketGrowth`).
    public static let ticksMax = 1_024
    /// A packet of this size takes no more ticks, with the same exceptions. So it takes bounded
    /// memory, and its first tick does not wait for long.
    public static let growthBytesMax = 128 * 1024
    /// The largest `growthBytesMax` to which a publisher may be set. A reader asks for enough bytes
    /// at a time for such a packet (`ReaderLane.largePullBytes`).
    public static let growthBytesLargest = 512 * 1024
    /// How far a packet grows all the same while the one before it is not answered: as far as the
    /// usual pull of a reader takes it (`ReaderLane.pullBytes`).
    public static let heldBytesMax = 176 * 1024
    public static let heldTicksMax = 2_048
    /// Symbols and series that one packet may define.
    public static let definitionsMax = 1_024
    /// Definitions that one tick may need: of its symbol and of its series. A packet without room
    /// for so many takes no more ticks.
    public static let definitionsOfTickMax = 2
    /// Room for the largest trade, quote or bar with all the definitions that it may need. Ticks
    /// with variable fields may be larger: they wait for a packet with enough room.
    public static let tickBytesMax = 4 * 1024
    /// Room for the definitions that one tick may need: a symbol and a series with the longest
    /// texts, which have less than 800 bytes together.
    public static let definitionsOfTickBytesMax = 1_024
    /// The largest packet that a builder makes of ticks and definitions. An operator's state comes
    /// in addition.
    public static let builtBytesMax = growthBytesLargest + tickBytesMax
}
