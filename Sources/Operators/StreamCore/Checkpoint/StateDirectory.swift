internal import Primitives

/// The states of several machines that make one: a head that says how many and of which program,
/// and the pieces behind it, each in an envelope of its own.
public enum StateDirectory {
    static let envelope = StateEnvelope("TLGM", version: 2)
    private static let foreign = StateEnvelope("TLPC", version: 1)

    /// The head; the pieces are to be appended behind it, in the order of the program.
    public static func begin(
        program: UInt64, received: UInt64, pieces: Int, into bytes: inout [UInt8]
    ) {
        let start = envelope.begin(&bytes)
        bytes.append(integer: program)
        bytes.append(integer: received)
        bytes.append(integer: UInt32(truncatingIfNeeded: pieces))
        envelope.seal(&bytes, from: start)
    }

    /// Where the pieces stand that `begin` announced, and what it was told.
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

    /// Puts an envelope around what `body` appends: for states in nobody's format.
    public static func wrap(into bytes: inout [UInt8], _ body: (inout [UInt8]) -> Void) {
        let start = foreign.begin(&bytes)
        body(&bytes)
        foreign.seal(&bytes, from: start)
    }

    /// Where what `wrap` surrounded stands in such a piece.
    public static func unwrap(_ piece: RawSpan) throws(CheckpointError) -> Range<Int> {
        let reader = try foreign.open(piece)
        return reader.offset..<reader.endOfEnvelope - 8
    }
}

extension StateEnvelope {
    /// The end that the head of a piece names; whether the piece is whole, `open` finds out.
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
