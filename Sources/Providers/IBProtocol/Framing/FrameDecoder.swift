internal import Primitives

/// The result of looking for the next message.
package enum FrameStep: Hashable, Sendable {
    /// There is no complete message: at least this many bytes are missing.
    case needs(Int)
    /// The range of the next message's body; valid until the next `append`.
    case frame(Range<Int>)
}

/// Cuts a stream of bytes into messages: four bytes of length, big endian, then the body.
///
/// Bytes are copied once, into the buffer. What was read is removed in one piece at the next
/// `append`, never message by message. The buffer grows with what has arrived, not with declared
/// lengths.
package struct FrameDecoder: Sendable {
    /// A longer body is refused after its first four bytes.
    package static let bodyBytesMax = 0xff_ffff
    /// An empty buffer that has grown beyond this is freed.
    package static let keptBytesMax = 256 * 1_024
    private static let prefixBytes = 4

    private var buffer: [UInt8] = []
    private var start = 0

    package init() {}

    /// The bytes in the buffer that were not returned yet.
    package var waiting: Int { buffer.count - start }

    var capacity: Int { buffer.capacity }

    package mutating func append(_ bytes: RawSpan) {
        discardRead()
        // Safety: the pointer is used inside the closure only.
        unsafe bytes.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
    }

    /// Returns the next message, or how much of it is missing. An error ends the stream: every
    /// later call throws it, too.
    package mutating func next() throws(IBWireError) -> FrameStep {
        guard waiting >= Self.prefixBytes else { return .needs(Self.prefixBytes - waiting) }
        let body = start + Self.prefixBytes
        let declared = buffer.withRawSpan {
            Int32(bitPattern: $0.uint32(at: start).byteSwapped)
        }
        guard declared > 0, declared <= Self.bodyBytesMax else {
            throw .frameLength(declared)
        }
        let end = body + Int(declared)
        guard end <= buffer.count else { return .needs(end - buffer.count) }
        start = end
        return .frame(body..<end)
    }

    /// Calls `body` with the message that `next` returned. The span is empty when the range no
    /// longer belongs to this buffer.
    package func withFrame<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bounds = range.clamped(to: 0..<buffer.count)
        return try buffer.withRawSpan { bytes throws(Failure) in
            try body(bytes.extracting(bounds))
        }
    }

    private mutating func discardRead() {
        guard start > 0 else { return }
        let isStretched = buffer.capacity > Self.keptBytesMax && waiting <= Self.keptBytesMax / 2
        if isStretched {
            buffer = Array(buffer[start...])
        } else if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
        } else if start >= waiting {
            // This moves fewer bytes than were read since the last time.
            buffer.removeSubrange(..<start)
        } else {
            return
        }
        start = 0
    }
}
