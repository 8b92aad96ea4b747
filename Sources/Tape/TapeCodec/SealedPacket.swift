internal import MarketModel
public import Primitives

/// A packet that is ready for the wire. Every retry sends exactly these bytes; only another epoch
/// or another ordinal makes a new packet of it (`reseal`).
public struct SealedPacket: Sendable {
    public internal(set) var header: PacketHeader
    /// `PacketBuilder.oldestEventTime` when it was sealed; undefined when it has no ticks. It is
    /// not on the wire.
    public let oldestEventTime: Timestamp
    /// The bytes of the packet. The buffer may hold more bytes after them, which have no meaning.
    var bytes: [UInt8]

    init(header: PacketHeader, oldestEventTime: Timestamp, bytes: [UInt8]) {
        self.header = header
        self.oldestEventTime = oldestEventTime
        self.bytes = bytes
    }

    /// Restores a packet that was sealed before, from the bytes that the spool stored. Header and
    /// checksum are checked. The messages are not checked again, because they are those that were
    /// sealed. `oldestEventTime` was stored beside the packet.
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

    /// Calls `body` with the bytes of the packet. The span is valid during the call.
    public func withBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.withRawSpan { span throws(Failure) in
            try body(span.extracting(0..<byteCount))
        }
    }

    /// Gives the packet the present epoch and ordinals of its lane, which may have changed since it
    /// was sealed: same ticks, new header. Nothing is decoded; one checksum is computed over the
    /// packet. Without `sendTime` the packet keeps its send time.
    public mutating func reseal(
        epoch: UInt64, firstOrdinal: UInt64, sendTime: Timestamp? = nil
    ) {
        header.epoch = epoch
        header.firstOrdinal = firstOrdinal
        if let sendTime { header.sendTime = sendTime }
        header.checksum = bytes.writeHeader(header)
    }

    /// Returns a copy that was given these numbers, as `reseal` does.
    public func resealed(
        epoch: UInt64, firstOrdinal: UInt64, sendTime: Timestamp? = nil
    ) -> SealedPacket {
        var packet = self
        packet.reseal(epoch: epoch, firstOrdinal: firstOrdinal, sendTime: sendTime)
        return packet
    }
}
