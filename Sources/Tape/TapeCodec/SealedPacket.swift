internal import MarketModel
public import Primitives

/// A packet that is ready for the wire: these very bytes are sent again at every retry.
public struct SealedPacket: Sendable {
    public internal(set) var header: PacketHeader
    /// The earliest event time of its ticks; undefined when it has none. Not on the wire.
    public let oldestEventTime: Timestamp
    /// Those of the packet, and perhaps more behind them, which mean nothing.
    var bytes: [UInt8]

    init(header: PacketHeader, oldestEventTime: Timestamp, bytes: [UInt8]) {
        self.header = header
        self.oldestEventTime = oldestEventTime
        self.bytes = bytes
    }

    /// A packet that was sealed before and kept elsewhere. Header and checksum are looked at, its
    /// messages are not: they are those that were sealed. `oldestEventTime` was kept beside it.
    public init(
        sealed bytes: consuming [UInt8], oldestEventTime: Timestamp
    ) throws(PacketError) {
        header = try bytes.withRawSpan { span throws(PacketError) in
            try PacketReader.header(of: span)
        }
        self.oldestEventTime = oldestEventTime
        self.bytes = bytes
    }

    public var byteCount: Int { Int(header.byteCount) }
    public var identity: PacketIdentity { header.identity }
    public var content: PacketContent { withBytes { PacketContent(of: $0, header) } }

    public func withBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.withRawSpan { span throws(Failure) in
            try body(span.extracting(0..<byteCount))
        }
    }

    /// Gives the packet to a new epoch: same ticks, new header. Nothing is decoded; one checksum
    /// over the packet. Without `sendTime` it keeps its own.
    public mutating func reseal(
        epoch: UInt64, firstOrdinal: UInt64, sendTime: Timestamp? = nil
    ) {
        header.epoch = epoch
        header.firstOrdinal = firstOrdinal
        if let sendTime { header.sendTime = sendTime }
        header.checksum = bytes.writeHeader(header)
    }

    public func resealed(
        epoch: UInt64, firstOrdinal: UInt64, sendTime: Timestamp? = nil
    ) -> SealedPacket {
        var packet = self
        packet.reseal(epoch: epoch, firstOrdinal: firstOrdinal, sendTime: sendTime)
        return packet
    }
}
