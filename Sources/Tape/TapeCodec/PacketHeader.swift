public import MarketModel
public import Primitives

public enum PacketKind: UInt8, Sendable {
    case ticks = 1
    case bars = 2
    case watermark = 3
}

@frozen
public struct PacketFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The first packet of an epoch. It carries an `EpochMarker`, and no ticks except the
    /// `GapRecord` of ordinals that the tape has lost before it.
    public static let epochMarker = PacketFlags(rawValue: 1 << 0)
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

public struct PacketHeader: Hashable, Sendable {
    public var kind: PacketKind
    public var flags: PacketFlags
    public var partition: Partition
    public var source: SourceName
    public var epoch: UInt64
    /// The ordinal of the packet's first tick; in a watermark packet, its counter.
    public var firstOrdinal: UInt64
    public var tickCount: UInt32
    public var byteCount: UInt32
    /// The watermark *after* the packet's ticks: no later tick of this source has an earlier event
    /// time.
    public var watermark: Timestamp
    public var sendTime: Timestamp
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

    public var identity: PacketIdentity {
        PacketIdentity(epoch: epoch, firstOrdinal: firstOrdinal, checksum: checksum)
    }

    /// The ordinal after this packet. A watermark packet uses up one, its counter.
    public var nextOrdinal: UInt64 {
        firstOrdinal
            &+ (kind == .watermark && !flags.contains(.epochMarker) ? 1 : UInt64(tickCount))
    }
}
