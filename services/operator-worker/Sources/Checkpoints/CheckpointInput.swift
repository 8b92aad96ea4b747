import MarketModel
import Primitives
import TapeCodec

/// Where a checkpoint's state stands in the input: what `OperatorCheckpoint` carries as bytes.
struct CheckpointInput: Hashable, Sendable {
    static let version: UInt16 = 1

    /// The packet that was taken last; nil: none was.
    var position: TapePosition?
    /// Windows that open before are not published: of a base, what its predecessor published or
    /// what the tape does not hold from its start. Nil: the state was made from the tape's start.
    var publishFrom: Timestamp?
    /// Ticks were seen, so the start of the tape is settled.
    var hasBegun: Bool

    // MARK: as bytes

    private static let positionFlag: UInt16 = 1
    private static let publishFlag: UInt16 = 2
    private static let begunFlag: UInt16 = 4
    private static let headBytes = 12
    private static let positionBytes = 44
    private static let sourceBytesMin = 17

    /// Little endian: version, flags, `publishFrom`; then the position; then its sources.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var flags: UInt16 = 0
        if position != nil { flags |= Self.positionFlag }
        if publishFrom != nil { flags |= Self.publishFlag }
        if hasBegun { flags |= Self.begunFlag }
        bytes.put(Self.version)
        bytes.put(flags)
        bytes.put(publishFrom?.nanoseconds ?? 0)
        guard let position else { return bytes }
        bytes.put(position.streamCreated.nanoseconds)
        bytes.put(position.sequence)
        bytes.put(position.packet.epoch)
        bytes.put(position.packet.firstOrdinal)
        bytes.put(position.packet.checksum)
        bytes.put(UInt32(position.sources.count))
        for source in position.sources {
            bytes.put(source.epoch)
            bytes.put(source.lastOrdinal)
            let name = Array(source.source.text.utf8)
            bytes.append(UInt8(name.count))
            bytes.append(contentsOf: name)
        }
        return bytes
    }

    init(position: TapePosition?, publishFrom: Timestamp?, hasBegun: Bool) {
        self.position = position
        self.publishFrom = publishFrom
        self.hasBegun = hasBegun
    }

    /// Nil: these are no bytes that `bytes` makes.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.headBytes, bytes.uint16(at: 0) == Self.version else {
            return nil
        }
        let flags = bytes.uint16(at: 2)
        let from = bytes.int64(at: 4)
        let hasFrom = flags & Self.publishFlag != 0
        guard flags <= Self.positionFlag | Self.publishFlag | Self.begunFlag,
            hasFrom || from == 0
        else { return nil }
        publishFrom = hasFrom ? Timestamp(nanoseconds: from) : nil
        hasBegun = flags & Self.begunFlag != 0
        guard flags & Self.positionFlag != 0 else {
            guard bytes.byteCount == Self.headBytes else { return nil }
            return
        }
        guard let position = Self.position(bytes) else { return nil }
        self.position = position
    }

    private static func position(_ bytes: RawSpan) -> TapePosition? {
        var offset = headBytes + positionBytes
        guard bytes.byteCount >= offset else { return nil }
        var position = TapePosition(
            streamCreated: Timestamp(nanoseconds: bytes.int64(at: headBytes)),
            sequence: bytes.uint64(at: headBytes + 8),
            packet: PacketIdentity(
                epoch: bytes.uint64(at: headBytes + 16),
                firstOrdinal: bytes.uint64(at: headBytes + 24),
                checksum: bytes.uint64(at: headBytes + 32)),
            sources: [])
        let count = Int(bytes.uint32(at: headBytes + 40))
        guard count <= (bytes.byteCount - offset) / sourceBytesMin else { return nil }
        for _ in 0..<count {
            guard bytes.byteCount - offset >= sourceBytesMin else { return nil }
            let start = offset + sourceBytesMin
            let end = start + Int(bytes.uint8(at: offset + 16))
            guard end <= bytes.byteCount,
                let name = SourceName(bytes.extracting(start..<end).text),
                // In order of their names, each once: what a reader relies on.
                position.sources.last.map({ $0.source < name }) ?? true
            else { return nil }
            position.sources.append(
                SourceOrdinal(
                    source: name, epoch: bytes.uint64(at: offset),
                    lastOrdinal: bytes.uint64(at: offset + 8)))
            offset = end
        }
        return offset == bytes.byteCount ? position : nil
    }
}

extension [UInt8] {
    fileprivate mutating func put(_ value: some FixedWidthInteger) {
        for index in 0..<value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }
}
