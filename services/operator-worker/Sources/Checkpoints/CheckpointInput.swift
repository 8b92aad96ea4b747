import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// The end of the input that a checkpoint's state includes. `OperatorCheckpoint` carries it as
/// bytes.
struct CheckpointInput: Hashable, Sendable {
    /// The version of the bytes.
    static let version: UInt16 = 1

    /// The last packet that was taken; `nil` when none was.
    var position: TapePosition?
    /// Bars and values of windows that open before this time are not published. It is set for a new
    /// line of output: the line before it has published them, or the tape does not hold their ticks
    /// from the start. `noWatermark` excludes none. `nil` for the first line of output.
    var publishFrom: Timestamp?
    /// Whether ticks were seen. Then the start of the tape is known.
    var hasBegun: Bool
    /// The ranges that the packet at `position` made dirty and that are not yet computed again;
    /// mostly empty.
    private(set) var pending: [DirtyRange] = []
    /// In a line that began without the input of the previous one, what that one took of each
    /// source; `nil` in others.
    var earlier: EarlierSources?

    // MARK: as bytes

    // The flags are the lowest bits, without a gap. The sizes are those of the parts of `bytes`,
    // without kinds and without the bytes of a source's name.
    private static let positionFlag: UInt16 = 1
    private static let publishFlag: UInt16 = 2
    private static let begunFlag: UInt16 = 4
    private static let pendingFlag: UInt16 = 8
    private static let headBytes = 12
    private static let positionBytes = 44
    private static let sourceBytesMin = 17
    private static let kindsFlag: UInt16 = 16
    private static let earlierFlag: UInt16 = 32
    private static let rangeBytes = 21

    /// The bytes, little endian: version, flags, `publishFrom`, `earlier`; then the position; then
    /// its sources; then the pending ranges, each with its kind if any kind is not `.any`.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var flags: UInt16 = 0
        if position != nil { flags |= Self.positionFlag }
        if publishFrom != nil { flags |= Self.publishFlag }
        if hasBegun { flags |= Self.begunFlag }
        if position != nil, !pending.isEmpty {
            flags |= Self.pendingFlag
            if hasKinds { flags |= Self.kindsFlag }
        }
        if earlier != nil { flags |= Self.earlierFlag }
        bytes.put(Self.version)
        bytes.put(flags)
        bytes.put(publishFrom?.nanoseconds ?? 0)
        earlier?.put(into: &bytes)
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
            bytes.put(source.source)
        }
        putPending(into: &bytes)
        return bytes
    }

    /// Whether the bytes contain kinds. Without them all pending ranges are of any kind.
    private var hasKinds: Bool { pending.contains { $0.kind != .any } }

    private func putPending(into bytes: inout [UInt8]) {
        guard !pending.isEmpty else { return }
        bytes.put(UInt32(pending.count))
        for range in pending {
            bytes.put(range.symbol)
            bytes.put(range.from)
            bytes.put(range.to)
            bytes.append(range.reason)
            if hasKinds { bytes.append(range.kind.rawValue) }
        }
    }

    init(
        position: TapePosition?, publishFrom: Timestamp?, hasBegun: Bool,
        pending: PendingRanges = .none, earlier: EarlierSources? = nil
    ) {
        self.position = position
        self.publishFrom = publishFrom
        self.hasBegun = hasBegun
        self.pending = pending.ranges
        self.earlier = earlier
    }

    /// Reads what `bytes` wrote; `nil` when it cannot have written these bytes.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.headBytes, bytes.uint16(at: 0) == Self.version
        else { return nil }
        let flags = bytes.uint16(at: 2)
        let from = bytes.int64(at: 4)
        let hasFrom = flags & Self.publishFlag != 0
        let known =
            Self.positionFlag | Self.publishFlag | Self.begunFlag | Self.pendingFlag
            | Self.kindsFlag | Self.earlierFlag
        let hasKinds = flags & Self.kindsFlag != 0
        guard flags <= known, hasFrom || from == 0, !hasKinds || flags & Self.pendingFlag != 0
        else { return nil }
        publishFrom = hasFrom ? Timestamp(nanoseconds: from) : nil
        hasBegun = flags & Self.begunFlag != 0
        var start = Self.headBytes
        if flags & Self.earlierFlag != 0 {
            guard let found = EarlierSources(bytes, at: &start) else { return nil }
            earlier = found
        }
        guard flags & Self.positionFlag != 0 else {
            guard bytes.byteCount == start, flags & Self.pendingFlag == 0 else {
                return nil
            }
            return
        }
        guard let (position, end) = Self.position(bytes, at: start) else { return nil }
        self.position = position
        guard flags & Self.pendingFlag != 0 else {
            if end != bytes.byteCount { return nil }
            return
        }
        guard let pending = Self.pending(bytes, at: end, hasKinds: hasKinds) else { return nil }
        self.pending = pending
    }

    private static func pending(
        _ bytes: RawSpan, at start: Int, hasKinds: Bool
    ) -> [DirtyRange]? {
        guard bytes.byteCount - start >= 4 else { return nil }
        let count = Int(bytes.uint32(at: start))
        let each = hasKinds ? rangeBytes + 1 : rangeBytes
        guard (1...RepairAgenda.pendingMax).contains(count),
            bytes.byteCount == start + 4 + count * each
        else { return nil }
        var ranges: [DirtyRange] = []
        for index in 0..<count {
            let offset = start + 4 + index * each
            let raw = hasKinds ? bytes.uint8(at: offset + rangeBytes) : DataKind.any.rawValue
            guard let kind = DataKind(rawValue: raw) else { return nil }
            ranges.append(
                DirtyRange(
                    symbol: bytes.uint32(at: offset), from: bytes.int64(at: offset + 4),
                    to: bytes.int64(at: offset + 12), reason: bytes.uint8(at: offset + 20),
                    kind: kind))
        }
        // The flag must be set exactly when it is needed.
        guard !hasKinds || ranges.contains(where: { $0.kind != .any }) else { return nil }
        return ranges.allSatisfy { $0.from < $0.to } ? ranges : nil
    }

    private static func position(
        _ bytes: RawSpan, at start: Int
    ) -> (TapePosition, end: Int)? {
        var offset = start + positionBytes
        guard bytes.byteCount >= offset else { return nil }
        var position = TapePosition(
            streamCreated: Timestamp(nanoseconds: bytes.int64(at: start)),
            sequence: bytes.uint64(at: start + 8),
            packet: PacketIdentity(
                epoch: bytes.uint64(at: start + 16),
                firstOrdinal: bytes.uint64(at: start + 24),
                checksum: bytes.uint64(at: start + 32)),
            sources: [])
        let count = Int(bytes.uint32(at: start + 40))
        guard count <= (bytes.byteCount - offset) / sourceBytesMin else { return nil }
        for _ in 0..<count {
            guard bytes.byteCount - offset >= sourceBytesMin else { return nil }
            // Readers rely on names in order, each once.
            guard let (name, end) = bytes.source(at: offset + 16),
                position.sources.last.map({ $0.source < name }) ?? true
            else { return nil }
            position.sources.append(
                SourceOrdinal(
                    source: name, epoch: bytes.uint64(at: offset),
                    lastOrdinal: bytes.uint64(at: offset + 8)))
            offset = end
        }
        return (position, offset)
    }
}
