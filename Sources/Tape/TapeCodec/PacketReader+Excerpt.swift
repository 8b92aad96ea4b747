internal import MarketModel
internal import Primitives

/// The part of a packet that cannot be read: everything after a message whose length is unknown.
/// Its checksum is right, so it was published like this.
public struct PacketDamage: Hashable, Sendable {
    /// The number of readable ticks before the damage.
    public let ticksBefore: UInt32
    /// The offset where the damage begins. It is the packet's end when all messages can be read,
    /// but the header states another number of ticks.
    public let offset: Int
    public let error: PacketError
}

extension PacketReader {
    /// Returns one tick of a packet as a separate packet, with the definitions that it refers to,
    /// for a dead letter. The excerpt has the packet's header, except for flags, first ordinal and
    /// sizes. Returns `nil` when the packet has no such tick, or when the tick cannot be read.
    public static func excerpt(
        of packet: RawSpan, _ header: PacketHeader, ordinal: UInt64
    ) -> [UInt8]? {
        guard ordinal >= header.firstOrdinal,
            let place = place(ofTick: ordinal - header.firstOrdinal, in: packet)
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: WireFormat.HeaderOffset.end)
        for range in definitions(for: place, in: packet) + [place] {
            bytes.append(contentsOf: packet.extracting(range).array)
        }
        var alone = header
        alone.flags = []
        alone.firstOrdinal = ordinal
        alone.tickCount = 1
        alone.byteCount = UInt32(bytes.count)
        _ = bytes.writeHeader(alone)
        return bytes
    }

    /// Returns the damage; `nil` when all ticks can be read. The caller has checked the header.
    public static func damage(of packet: RawSpan, _ header: PacketHeader) -> PacketDamage? {
        var cursor = RecordCursor()
        var start = cursor.place
        while let record = cursor.next(in: packet) {
            if case .malformed(let error) = record {
                return PacketDamage(ticksBefore: cursor.tickCount, offset: start, error: error)
            }
            start = cursor.place
        }
        guard cursor.tickCount != header.tickCount else { return nil }
        return PacketDamage(
            ticksBefore: cursor.tickCount, offset: packet.byteCount,
            error: PacketError(
                .wrongCount, offset: WireFormat.HeaderOffset.tickCount,
                expected: UInt64(cursor.tickCount), found: UInt64(header.tickCount)))
    }

    // MARK: parts

    /// Returns the bytes of the message of a tick, counted from 0; `nil` when it is not there.
    private static func place(ofTick number: UInt64, in packet: RawSpan) -> Range<Int>? {
        var cursor = RecordCursor()
        var start = cursor.place
        while let record = cursor.next(in: packet) {
            if case .malformed = record { return nil }
            if UInt64(cursor.tickCount) == number + 1 { return start..<cursor.place }
            start = cursor.place
        }
        return nil
    }

    /// Returns the messages that define the symbol and the series of the tick in this range.
    private static func definitions(for tick: Range<Int>, in packet: RawSpan) -> [Range<Int>] {
        let message = packet.extracting(tick)
        let symbol = message.symbolIndex
        let series = message.seriesIndex
        var found: [Range<Int>] = []
        var cursor = RecordCursor()
        var start = cursor.place
        while start < tick.lowerBound, let record = cursor.next(in: packet) {
            defer { start = cursor.place }
            guard case .other(let bounds) = record else { continue }
            if let symbol, bounds.symbolDefinition(in: packet)?.index == symbol {
                found.append(start..<bounds.end)
            } else if let series, bounds.seriesDefinition(in: packet)?.index == series {
                found.append(start..<bounds.end)
            }
        }
        return found
    }
}

extension RawSpan {
    private var template: UInt16 { uint16(at: 2) }

    /// The symbol index in a tick's complete message. Every tick begins with it.
    fileprivate var symbolIndex: UInt32? {
        let body = WireFormat.messageHeaderBytes
        return byteCount >= body + 4 ? uint32(at: body) : nil
    }

    /// The series index in the messages that belong to a series.
    fileprivate var seriesIndex: UInt32? {
        RecordKind(template: template)?.seriesOffset.map {
            UInt32(uint16(at: WireFormat.messageHeaderBytes + $0))
        }
    }
}
