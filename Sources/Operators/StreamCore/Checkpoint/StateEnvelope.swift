internal import Primitives

/// The layout around every *piece* of encoded state: the state of one machine or table, which has a
/// separate version. `magic` tells the kinds of pieces apart. A piece of another version is
/// refused, and its state is computed from the tape: after the first release, another layout needs
/// another version.
///
///     magic UInt32, version UInt16, reserved UInt16 = 0, byte count UInt64, body, XXH3-64
///
/// It is little endian. The byte count covers the whole piece, and the checksum covers everything
/// before the checksum.
struct StateEnvelope {
    /// Four letters in the order of the bytes.
    let magic: UInt32
    let version: UInt16

    private static let headerBytes = 16
    private static let checksumBytes = 8
    /// The length of an envelope around an empty body.
    static let bytes = headerBytes + checksumBytes

    init(_ letters: StaticString, version: UInt16) {
        precondition(letters.utf8CodeUnitCount == 4, "a magic has four letters")
        magic = String(describing: letters).utf8.reversed().reduce(0) { $0 << 8 | UInt32($1) }
        self.version = version
    }

    /// Appends the header, and returns the start of the piece for `seal`.
    func begin(_ bytes: inout [UInt8]) -> Int {
        let start = bytes.count
        bytes.append(integer: magic)
        bytes.append(integer: version)
        bytes.append(integer: UInt16(0))
        bytes.append(integer: UInt64(0))
        return start
    }

    /// Completes the piece that began at `start`: sets its byte count, and appends the checksum.
    func seal(_ bytes: inout [UInt8], from start: Int) {
        let count = UInt64(bytes.count - start + Self.checksumBytes)
        for index in 0..<8 {
            bytes[start + 8 + index] = UInt8(truncatingIfNeeded: count >> UInt64(8 * index))
        }
        let end = bytes.count
        let checksum = bytes.withRawSpan { Checksum.of($0.extracting(start..<end)) }
        bytes.append(integer: checksum)
    }

    /// Checks the piece that begins at `start`, and returns a reader of its body. With `isLast` no
    /// bytes may follow the piece.
    func open(
        _ bytes: RawSpan, from start: Int = 0, isLast: Bool = true
    ) throws(CheckpointError) -> StateReader {
        let available = bytes.byteCount - start
        guard available >= Self.bytes else {
            throw .truncated(expected: Self.bytes, found: available)
        }
        guard bytes.uint32(at: start) == magic else {
            throw .foreign(found: bytes.uint32(at: start))
        }
        let found = bytes.uint16(at: start + 4)
        guard found == version else { throw .version(found: found, known: version) }
        let count = Int(clamping: bytes.uint64(at: start + 8))
        guard count <= CheckpointLimits.bytesMax else {
            throw .tooLarge(bytes: count, limit: CheckpointLimits.bytesMax)
        }
        guard count <= available else { throw .truncated(expected: count, found: available) }
        guard count >= Self.bytes, bytes.uint16(at: start + 6) == 0 else {
            throw .malformed(.header, offset: start)
        }
        let end = start + count - Self.checksumBytes
        let expected = bytes.uint64(at: end)
        let checksum = Checksum.of(bytes.extracting(start..<end))
        guard checksum == expected else { throw .checksum(expected: expected, found: checksum) }
        guard !isLast || count == available else { throw .malformed(.end, offset: start + count) }
        return StateReader(offset: start + Self.headerBytes, end: end)
    }
}
