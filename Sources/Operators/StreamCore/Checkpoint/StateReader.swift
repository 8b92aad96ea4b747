internal import Primitives

/// A reader of the body of a `StateEnvelope`, in order. Every call takes the bytes as a parameter,
/// because a span cannot be stored. Offsets count from the start of these bytes.
struct StateReader {
    private(set) var offset: Int
    private let end: Int

    init(offset: Int, end: Int) {
        self.offset = offset
        self.end = end
    }

    /// The offset after the envelope, whose last eight bytes are its checksum.
    var endOfEnvelope: Int { end + 8 }

    /// Skips the next `count` bytes, and returns their offset.
    @inline(__always)
    mutating func take(_ count: Int) throws(CheckpointError) -> Int {
        let start = offset
        guard count <= end - start else {
            throw .truncated(expected: start + count, found: end)
        }
        offset = start + count
        return start
    }

    @inline(__always)
    mutating func uint16(in bytes: RawSpan) throws(CheckpointError) -> UInt16 {
        bytes.uint16(at: try take(2))
    }

    @inline(__always)
    mutating func uint32(in bytes: RawSpan) throws(CheckpointError) -> UInt32 {
        bytes.uint32(at: try take(4))
    }

    @inline(__always)
    mutating func uint64(in bytes: RawSpan) throws(CheckpointError) -> UInt64 {
        bytes.uint64(at: try take(8))
    }

    @inline(__always)
    mutating func int64(in bytes: RawSpan) throws(CheckpointError) -> Int64 {
        bytes.int64(at: try take(8))
    }

    /// Reads a counter, which must be below `CheckpointLimits.countMax`.
    mutating func tally(in bytes: RawSpan) throws(CheckpointError) -> UInt64 {
        let count = try uint64(in: bytes)
        guard count < CheckpointLimits.countMax else { throw malformed(.counter) }
        return count
    }

    /// Reads the number of items that follow, each of at least `bytesEach`. It is checked against
    /// the bytes left, so that a wrong number reserves no memory.
    mutating func count(
        of field: CheckpointError.Field, max: Int, bytesEach: Int, in bytes: RawSpan
    ) throws(CheckpointError) -> Int {
        let count = Int(try uint32(in: bytes))
        guard count <= max, count <= (end - offset) / bytesEach else { throw malformed(field) }
        return count
    }

    /// Reads items of `bytesEach` after their number, which is returned. `take` returns false for
    /// one that no machine would have written.
    @discardableResult
    mutating func items(
        of field: CheckpointError.Field, max: Int, bytesEach: Int, in bytes: RawSpan,
        _ take: (RawSpan) -> Bool
    ) throws(CheckpointError) -> Int {
        let count = try count(of: field, max: max, bytesEach: bytesEach, in: bytes)
        for _ in 0..<count {
            let start = try self.take(bytesEach)
            guard take(bytes.extracting(start..<start + bytesEach)) else { throw malformed(field) }
        }
        return count
    }

    /// Reads counters, each of which must be below `CheckpointLimits.countMax`.
    mutating func tallies<Counters>(
        _ terms: [WritableKeyPath<Counters, UInt64>], of counters: inout Counters,
        in bytes: RawSpan
    ) throws(CheckpointError) {
        for term in terms { counters[keyPath: term] = try tally(in: bytes) }
    }

    /// Reads text of at most `max` bytes. It must be valid UTF-8: invalid bytes would be replaced,
    /// and the text would be another name.
    mutating func text(
        of field: CheckpointError.Field, max: Int, in bytes: RawSpan
    ) throws(CheckpointError) -> String {
        let count = Int(try uint16(in: bytes))
        guard count <= max else { throw malformed(field) }
        let start = try take(count)
        let text = bytes.extracting(start..<start + count).text
        var isSame = text.utf8.count == count
        for (index, unit) in text.utf8.enumerated() where isSame {
            isSame = unit == bytes.uint8(at: start + index)
        }
        guard isSame else { throw malformed(field) }
        return text
    }

    /// Returns the error for a field that no machine would have written, at the present offset.
    func malformed(_ field: CheckpointError.Field) -> CheckpointError {
        .malformed(field, offset: offset)
    }

    /// Throws unless the whole body was read.
    func finish() throws(CheckpointError) {
        guard offset == end else { throw malformed(.end) }
    }
}
