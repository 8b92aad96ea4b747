internal import Primitives

/// The format for the states of all machines of a graph together. A head states the program and the
/// number of pieces. The pieces follow, each in a separate `StateEnvelope`.
public enum StateDirectory {
    static let envelope = StateEnvelope("TLGM", version: 1)
    /// The envelope of `wrap`.
    private static let foreign = StateEnvelope("TLPC", version: 1)

    /// Appends the head. The caller appends the pieces after it, in the order of the program.
    /// `program` is the hash of the graph, and `received` the number of ticks that came in so far.
    public static func begin(
        program: UInt64, received: UInt64, pieces: Int, into bytes: inout [UInt8]
    ) {
        let start = envelope.begin(&bytes)
        bytes.append(integer: program)
        bytes.append(integer: received)
        bytes.append(integer: UInt32(truncatingIfNeeded: pieces))
        envelope.seal(&bytes, from: start)
    }

    /// Returns the ranges of the pieces that `begin` announced, and the `received` that it was
    /// given.
    public static func pieces(
        of bytes: RawSpan, program: UInt64, count: Int
    ) throws(CheckpointError) -> (received: UInt64, ranges: [Range<Int>]) {
        var reader = try envelope.open(bytes, isLast: false)
        let found = try reader.uint64(in: bytes)
        guard found == program else { throw .otherProgram(found: found, expected: program) }
        let received = try reader.tally(in: bytes)
        let announced = Int(try reader.uint32(in: bytes))
        try reader.finish()
        guard announced == count else { throw .partCount(expected: count, found: announced) }
        var ranges: [Range<Int>] = []
        var start = reader.endOfEnvelope
        for _ in 0..<count {
            let end = try StateEnvelope.end(ofPieceAt: start, in: bytes)
            ranges.append(start..<end)
            start = end
        }
        guard start == bytes.byteCount else { throw .malformed(.end, offset: start) }
        return (received, ranges)
    }

    /// Puts an envelope around the bytes that `body` appends. It is for the states of custom
    /// operators, whose format is not defined here.
    public static func wrap(into bytes: inout [UInt8], _ body: (inout [UInt8]) -> Void) {
        let start = foreign.begin(&bytes)
        body(&bytes)
        foreign.seal(&bytes, from: start)
    }

    /// Returns the range of the bytes that `wrap` surrounded in such a piece.
    public static func unwrap(_ piece: RawSpan) throws(CheckpointError) -> Range<Int> {
        let reader = try foreign.open(piece)
        return reader.offset..<reader.endOfEnvelope - 8
    }
}

extension StateEnvelope {
    /// Returns the end that the head of a piece states. `open` checks whether the piece is
    /// complete.
    static func end(ofPieceAt start: Int, in bytes: RawSpan) throws(CheckpointError) -> Int {
        let available = bytes.byteCount - start
        guard available >= Self.bytes else {
            throw .truncated(expected: Self.bytes, found: available)
        }
        let count = Int(clamping: bytes.uint64(at: start + 8))
        guard count >= Self.bytes, count <= available else {
            throw .truncated(expected: count, found: available)
        }
        return start + count
    }
}
