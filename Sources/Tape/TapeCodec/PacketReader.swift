internal import MarketModel
internal import Primitives

/// Checks a complete packet and reads its header. `PacketWalk` or `RecordCursor` then reads its
/// messages. Every reader of the tape calls `validate` or `header` first, because packets come from
/// outside.
public enum PacketReader {
    /// Reads the header and verifies the packet's length and checksum, and the header's kind,
    /// partition, source, epoch and ordinals. The messages after the header are not read.
    public static func header(of packet: RawSpan) throws(PacketError) -> PacketHeader {
        let header = try uncheckedHeader(of: packet)
        let checked = packet.extracting(
            WireFormat.HeaderOffset.checkedBytes..<packet.byteCount)
        let checksum = Checksum.of(checked)
        guard checksum == header.checksum else {
            throw PacketError(
                .wrongChecksum, offset: WireFormat.HeaderOffset.checksum,
                expected: checksum, found: header.checksum)
        }
        return header
    }

    /// Does the same as `header`, and steps over all messages once. That proves that each has a
    /// known length and that there are as many ticks as the header states. In a packet that passes,
    /// no record is `malformed` later.
    public static func validate(_ packet: RawSpan) throws(PacketError) -> PacketHeader {
        let header = try header(of: packet)
        try checkMessages(of: packet, header)
        return header
    }

    /// Steps over all messages of a packet whose header was read before.
    public static func checkMessages(
        of packet: RawSpan, _ header: PacketHeader
    ) throws(PacketError) {
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            if case .malformed(let error) = record { throw error }
        }
        guard cursor.tickCount == header.tickCount else {
            throw PacketError(
                .wrongCount, offset: WireFormat.HeaderOffset.tickCount,
                expected: UInt64(cursor.tickCount), found: UInt64(header.tickCount))
        }
    }

    /// Reads the header without comparing the checksum.
    private static func uncheckedHeader(
        of packet: RawSpan
    ) throws(PacketError) -> PacketHeader {
        let offset = WireFormat.HeaderOffset.self
        guard packet.byteCount >= offset.end else {
            throw PacketError(
                .truncated, offset: 0, expected: UInt64(offset.end),
                found: UInt64(packet.byteCount))
        }
        guard packet.byteCount <= PacketLimits.bytesMax else {
            throw PacketError(
                .tooLarge, offset: 0, expected: UInt64(PacketLimits.bytesMax),
                found: UInt64(packet.byteCount))
        }
        try check(packet.uint16(at: 2), is: WireFormat.Template.packetHeader, 2, .notAPacket)
        try check(packet.uint16(at: 4), is: WireFormat.schemaID, 4, .foreignSchema)
        // The length of the header's block is fixed, because readers find the first message after
        // it at a fixed offset. A newer release with a longer header needs another template.
        try check(packet.uint16(at: 0), is: UInt16(WireFormat.Block.packetHeader), 0, .notAPacket)
        let byteCount = packet.uint32(at: offset.byteCount)
        guard Int(byteCount) == packet.byteCount else {
            throw PacketError(
                .wrongLength, offset: offset.byteCount, expected: UInt64(packet.byteCount),
                found: UInt64(byteCount))
        }
        return try fields(of: packet, byteCount: byteCount)
    }

    private static func check(
        _ found: UInt16, is expected: UInt16, _ offset: Int, _ reason: PacketError.Reason
    ) throws(PacketError) {
        guard found == expected else {
            throw PacketError(
                reason, offset: offset, expected: UInt64(expected), found: UInt64(found))
        }
    }

    private static func fields(
        of packet: RawSpan, byteCount: UInt32
    ) throws(PacketError) -> PacketHeader {
        let offset = WireFormat.HeaderOffset.self
        guard let kind = PacketKind(rawValue: packet.uint8(at: offset.kind)) else {
            throw PacketError(
                .badValue, offset: offset.kind, expected: 1,
                found: UInt64(packet.uint8(at: offset.kind)))
        }
        let partition = Int(packet.uint16(at: offset.partition))
        guard partition < Partition.countRange.upperBound else {
            throw PacketError(
                .badValue, offset: offset.partition,
                expected: UInt64(Partition.countRange.upperBound), found: UInt64(partition))
        }
        guard let source = packet.sourceName(at: offset.source) else {
            throw PacketError(
                .badValue, offset: offset.source, expected: 1,
                found: packet.uint64(at: offset.source))
        }
        var header = PacketHeader(
            kind: kind, flags: PacketFlags(rawValue: packet.uint8(at: offset.flags)),
            partition: Partition(partition), source: source,
            epoch: packet.uint64(at: offset.epoch),
            firstOrdinal: packet.uint64(at: offset.firstOrdinal),
            watermark: Timestamp(nanoseconds: packet.int64(at: offset.watermark)),
            sendTime: Timestamp(nanoseconds: packet.int64(at: offset.sendTime)))
        header.tickCount = packet.uint32(at: offset.tickCount)
        // Ordinals count from 1. Epochs and ordinals have 63 bits, as integers of PostgreSQL do, so
        // the sum of an ordinal and a number of ticks cannot overflow. A marker without ticks may
        // have any ordinal.
        guard header.epoch <= UInt64(Int64.max) else {
            throw PacketError(
                .badValue, offset: offset.epoch, expected: UInt64(Int64.max), found: header.epoch)
        }
        guard header.firstOrdinal <= UInt64(Int64.max) - UInt64(header.tickCount),
            header.firstOrdinal > 0 || header.tickCount == 0
        else {
            throw PacketError(
                .badValue, offset: offset.firstOrdinal, expected: 1, found: header.firstOrdinal)
        }
        header.byteCount = byteCount
        header.checksum = packet.uint64(at: offset.checksum)
        return header
    }
}

extension RawSpan {
    /// Returns a source's name from its 24 zero-padded bytes; `nil` when it is none.
    func sourceName(at offset: Int) -> SourceName? {
        SourceName(
            words: SourceName.Words(
                uint64(at: offset), uint64(at: offset + 8), uint64(at: offset + 16)))
    }
}
