package import MarketModel
package import Primitives
internal import TapeCodec

/// The header before each packet in a segment. With it, frames can be counted, and a damaged frame
/// can be identified, without the packet. The layout of a frame, by the offset of each field:
///
///     0  magic         4  frame bytes   8  number        16 epoch        24 first ordinal
///     32 watermark     40 oldest time   48 packet bytes  52 tick count   56 partition
///     58 one           60 zero          64 XXH3 of 0..<64
///     72 the packet    then XXH3 of everything before it
package struct FrameHeader: Hashable, Sendable {
    /// The frame's number. It rises by one from frame to frame of a spool, for ever.
    package let number: UInt64
    /// The fields of the packet's header, as it was sealed before it was spooled.
    package let partition: Partition
    package let epoch: UInt64
    package let firstOrdinal: UInt64
    package let tickCount: UInt32
    package let watermark: Timestamp
    /// The earliest event time of the packet's ticks; undefined when it has none.
    package let oldestEventTime: Timestamp
    /// The size of the packet.
    package let packetBytes: Int

    /// "TSP1", little endian.
    static let magic: UInt32 = 0x3150_5354
    static let byteCount = 72
    static let trailerBytes = 8
    /// The bytes that the header's checksum covers.
    private static let checkedBytes = 64
    /// The field at offset 58: what the frame holds. 1 is a packet of ticks; there is nothing else.
    private static let content: UInt16 = 1
    /// The largest number. A larger one can only come from damage.
    static let numberMax = UInt64.max >> 2

    init(number: UInt64, of packet: SealedPacket) {
        self.number = number
        partition = packet.header.partition
        epoch = packet.header.epoch
        firstOrdinal = packet.header.firstOrdinal
        tickCount = packet.header.tickCount
        watermark = packet.header.watermark
        oldestEventTime = packet.oldestEventTime
        packetBytes = packet.byteCount
    }

    /// The ordinal after this packet.
    package var nextOrdinal: UInt64 { firstOrdinal &+ UInt64(tickCount) }

    /// The ordinals of the packet's ticks; `nil` when there are none.
    package var ordinals: ClosedRange<UInt64>? {
        tickCount > 0 && nextOrdinal > firstOrdinal ? firstOrdinal...(nextOrdinal - 1) : nil
    }

    /// The size of the complete frame on disk.
    package var frameBytes: Int { Self.frameBytes(packetBytes: packetBytes) }

    static func frameBytes(packetBytes: Int) -> Int { byteCount + packetBytes + trailerBytes }

    // MARK: bytes

    /// Replaces the buffer's content by the complete frame. The buffer keeps its memory, so that
    /// the next frame need not allocate.
    func write(_ packet: SealedPacket, into buffer: inout [UInt8]) {
        buffer.removeAll(keepingCapacity: true)
        buffer.append(Self.magic)
        buffer.append(UInt32(frameBytes))
        buffer.append(number)
        buffer.append(epoch)
        buffer.append(firstOrdinal)
        buffer.append(watermark.nanoseconds)
        buffer.append(oldestEventTime.nanoseconds)
        buffer.append(UInt32(packetBytes))
        buffer.append(tickCount)
        buffer.append(UInt16(partition.number))
        buffer.append(Self.content)
        buffer.append(UInt32(0))
        buffer.append(buffer.withRawSpan { Checksum.of($0) })
        packet.withBytes { buffer.append($0) }
        buffer.append(buffer.withRawSpan { Checksum.of($0) })
    }

    /// Reads a header. Fails when the bytes do not begin with a frame's header.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount, bytes.uint32(at: 0) == Self.magic,
            bytes.uint64(at: Self.checkedBytes)
                == Checksum.of(bytes.extracting(0..<Self.checkedBytes)),
            bytes.uint16(at: 58) == Self.content,
            Int(bytes.uint16(at: 56)) < Partition.countRange.upperBound
        else { return nil }
        packetBytes = Int(bytes.uint32(at: 48))
        guard packetBytes <= PacketLimits.bytesMax,
            Int(bytes.uint32(at: 4)) == Self.frameBytes(packetBytes: packetBytes)
        else { return nil }
        number = bytes.uint64(at: 8)
        guard number <= Self.numberMax else { return nil }
        partition = Partition(Int(bytes.uint16(at: 56)))
        epoch = bytes.uint64(at: 16)
        firstOrdinal = bytes.uint64(at: 24)
        watermark = Timestamp(nanoseconds: bytes.int64(at: 32))
        oldestEventTime = Timestamp(nanoseconds: bytes.int64(at: 40))
        tickCount = bytes.uint32(at: 52)
    }

    /// Returns whether the bytes of a frame are as they were written, by the checksum at its end.
    static func isWhole(_ frame: RawSpan) -> Bool {
        let end = frame.byteCount - trailerBytes
        guard end >= byteCount else { return false }
        return frame.uint64(at: end) == Checksum.of(frame.extracting(0..<end))
    }
}

extension [UInt8] {
    /// Appends an integer, little endian.
    mutating func append(_ value: some FixedWidthInteger & UnsignedInteger) {
        var rest = value
        for _ in 0..<MemoryLayout.size(ofValue: value) {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    fileprivate mutating func append(_ value: Int64) { append(UInt64(bitPattern: value)) }

    fileprivate mutating func append(_ span: RawSpan) {
        // Safety: the bytes are copied while the span is borrowed.
        unsafe span.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
