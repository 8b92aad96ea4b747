public import MarketModel
public import Primitives

/// The kind of a packet, which the subject decides.
public enum PacketKind: UInt8, Sendable {
    /// Ticks of a source in one partition.
    case ticks = 1
    /// What an operator publishes: bars, values, late ticks.
    case bars = 2
    /// A source's watermark for all partitions of one stream. It has no ticks.
    case watermark = 3
}

/// The flags of a packet. Unknown ones are kept.
@frozen
public struct PacketFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The first packet of an epoch. It carries an `EpochMarker`. Its only tick is a `GapRecord`,
    /// if the tape has lost ordinals before it.
    public static let epochMarker = PacketFlags(rawValue: 1 << 0)
    /// The source has retired. On a watermark packet that opens an epoch: nothing waits for the
    /// source any more, until it sends a packet of a higher epoch without this flag.
    public static let retirement = PacketFlags(rawValue: 1 << 1)
}

/// The fields that distinguish one packet of a subject from every other packet.
public struct PacketIdentity: Hashable, Sendable {
    public var epoch: UInt64
    public var firstOrdinal: UInt64
    public var checksum: UInt64

    public init(epoch: UInt64, firstOrdinal: UInt64, checksum: UInt64) {
        self.epoch = epoch
        self.firstOrdinal = firstOrdinal
        self.checksum = checksum
    }
}

/// The header of a packet, as every reader gets it with the packet.
public struct PacketHeader: Hashable, Sendable {
    public var kind: PacketKind
    public var flags: PacketFlags
    /// In a watermark packet, the index of the stream whose partitions it covers.
    public var partition: Partition
    public var source: SourceName
    public var epoch: UInt64
    /// The ordinal of the packet's first tick. Watermark packets have no ticks: theirs is a counter
    /// of the packets of their subject.
    public var firstOrdinal: UInt64
    /// The number of records, of any kind.
    public var tickCount: UInt32
    /// The size of the complete packet, including this header.
    public var byteCount: UInt32
    /// The watermark *after* the packet's ticks: no tick of this source that is older comes later
    /// on time. A marker promises nothing: it has the earliest time, `Int64.min`.
    public var watermark: Timestamp
    /// When the packet was sealed, by the publisher's wall clock.
    public var sendTime: Timestamp
    /// XXH3 of the packet without its first 16 bytes.
    public var checksum: UInt64

    public init(
        kind: PacketKind, flags: PacketFlags = [], partition: Partition, source: SourceName,
        epoch: UInt64, firstOrdinal: UInt64, watermark: Timestamp, sendTime: Timestamp
    ) {
        self.kind = kind
        self.flags = flags
        self.partition = partition
        self.source = source
        self.epoch = epoch
        self.firstOrdinal = firstOrdinal
        self.watermark = watermark
        self.sendTime = sendTime
        tickCount = 0
        byteCount = 0
        checksum = 0
    }

    /// Whether the packet retires its source.
    public var retiresSource: Bool { kind == .watermark && flags.contains(.retirement) }

    public var identity: PacketIdentity {
        PacketIdentity(epoch: epoch, firstOrdinal: firstOrdinal, checksum: checksum)
    }

    /// The first ordinal of the subject's next packet. A watermark packet uses up one number of its
    /// counter; a marker on the same subject uses up none.
    public var nextOrdinal: UInt64 {
        firstOrdinal
            &+ (kind == .watermark && !flags.contains(.epochMarker) ? 1 : UInt64(tickCount))
    }
}
