internal import Primitives

/// The list of the parts in which one checkpoint is stored, with their sizes and checksums. A
/// *part* is a section of the checkpoint's bytes, small enough for one value of the bucket. Parts
/// have no header: only the manifest describes them.
///
/// The manifest is a part of the `CheckpointHead`, which is written after the parts. So a reader
/// that finds a manifest also finds its parts.
public struct CheckpointManifest: Hashable, Sendable {
    static let envelope = StateEnvelope("TLCM", version: 1)

    /// The size and the checksum of one part.
    public struct Part: Hashable, Sendable {
        public let byteCount: Int
        public let checksum: UInt64
    }

    /// The checkpoint's number, which rises within a partition.
    public let number: UInt64
    public let parts: [Part]
    /// The checksum over all bytes. It detects a mix of the parts of two checkpoints.
    public let checksum: UInt64

    /// The length of the checkpoint in bytes.
    public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    /// Cuts the bytes of a checkpoint into parts of at most `partBytesMax`, each at its
    /// `range(ofPart:)`.
    public init(
        number: UInt64, of bytes: RawSpan, partBytesMax: Int
    ) throws(CheckpointError) {
        precondition(partBytesMax > 0, "a part holds at least a byte")
        let total = bytes.byteCount
        guard total > 0 else { throw .truncated(expected: StateEnvelope.bytes, found: 0) }
        let limit = min(
            CheckpointLimits.bytesMax,
            CheckpointLimits.partsMax * min(partBytesMax, CheckpointLimits.bytesMax))
        guard total <= limit else { throw .tooLarge(bytes: total, limit: limit) }
        self.number = number
        checksum = Checksum.of(bytes)
        var parts: [Part] = []
        for start in stride(from: 0, to: total, by: partBytesMax) {
            let part = bytes.extracting(start..<start + min(partBytesMax, total - start))
            parts.append(Part(byteCount: part.byteCount, checksum: Checksum.of(part)))
        }
        self.parts = parts
    }

    /// Returns the range of a part in the bytes of the checkpoint.
    public func range(ofPart index: Int) -> Range<Int> {
        let start = parts[..<index].reduce(0) { $0 + $1.byteCount }
        return start..<start + parts[index].byteCount
    }

    /// Returns the bytes of the checkpoint from its parts, which are in order.
    public func assemble(_ found: [[UInt8]]) throws(CheckpointError) -> [UInt8] {
        guard found.count == parts.count else {
            throw .partCount(expected: parts.count, found: found.count)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for (index, part) in found.enumerated() {
            try check(part, isPart: index)
            bytes.append(contentsOf: part)
        }
        let total = bytes.withRawSpan { Checksum.of($0) }
        guard total == checksum else { throw .checksum(expected: checksum, found: total) }
        return bytes
    }

    /// Throws unless the part has the size and the checksum that the manifest lists.
    private func check(_ part: [UInt8], isPart index: Int) throws(CheckpointError) {
        let expected = parts[index]
        guard part.count == expected.byteCount else {
            throw .partSize(index: index, expected: expected.byteCount, found: part.count)
        }
        let found = part.withRawSpan { Checksum.of($0) }
        guard found == expected.checksum else {
            throw .partChecksum(index: index, expected: expected.checksum, found: found)
        }
    }

    // MARK: as bytes

    /// The length in bytes of a part's entry.
    private static let partBytes = 12

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: number)
        bytes.append(integer: checksum)
        bytes.append(integer: UInt32(parts.count))
        for part in parts {
            bytes.append(integer: UInt32(part.byteCount))
            bytes.append(integer: part.checksum)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Reads the manifest that `encode` wrote.
    public init(_ bytes: RawSpan) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        number = try reader.uint64(in: bytes)
        checksum = try reader.uint64(in: bytes)
        let count = try reader.count(
            of: .part, max: CheckpointLimits.partsMax, bytesEach: Self.partBytes, in: bytes)
        var parts: [Part] = []
        for _ in 0..<count {
            let part = Part(
                byteCount: Int(try reader.uint32(in: bytes)),
                checksum: try reader.uint64(in: bytes))
            guard part.byteCount > 0 else { throw reader.malformed(.part) }
            parts.append(part)
        }
        try reader.finish()
        self.parts = parts
        guard count > 0 else { throw reader.malformed(.part) }
        guard byteCount <= CheckpointLimits.bytesMax else {
            throw .tooLarge(bytes: byteCount, limit: CheckpointLimits.bytesMax)
        }
    }
}
