internal import Primitives

/// The source of a segment's bytes: a file, or an array in tests.
protocol SegmentBytes {
    /// The bytes that may be read: the complete frames of a segment that is being written.
    var byteCount: Int { get }
    /// Replaces the buffer's content. Fewer bytes than requested come only at the end.
    func read(_ range: Range<Int>, into buffer: inout [UInt8]) throws(SpoolError)
}

/// Reads a segment frame by frame and holds one frame at a time.
///
/// After damage it continues at the next frame header that can follow.
struct SegmentWalk {
    enum Item: Equatable {
        case frame(FrameHeader)
        /// The frames with these numbers cannot be used; the range is empty when bytes that belong
        /// to no frame were skipped. The header is that of a single frame whose packet is damaged.
        case damaged(Range<UInt64>, bytes: Range<Int>, FrameHeader?)
    }

    /// The bytes of one read: many small frames, so that these do not cost a system call each.
    private static let windowBytes = 64 << 10

    /// The offset of the next frame, and its number.
    private(set) var offset: Int
    private(set) var number: UInt64
    /// The bytes that were read last, and the offset of the first of them.
    private var window: [UInt8] = []
    private var windowStart = 0
    /// The offset of the frame that `next` returned last.
    private var frameStart = 0

    init(from offset: Int = 0, number: UInt64) {
        self.offset = offset
        self.number = number
    }

    /// Returns the next frame. With `checking`, the checksum of the complete frame is compared.
    mutating func next(
        in source: some SegmentBytes, checking: Bool
    ) throws(SpoolError) -> Item? {
        try next(in: source) { _ in checking }
    }

    /// Returns the next frame. Returns `nil` when there is no frame at `offset` and none follows.
    /// `checks` selects the frames whose packets are checked; of others only the header is.
    mutating func next(
        in source: some SegmentBytes, checks: (FrameHeader) -> Bool
    ) throws(SpoolError) -> Item? {
        guard let header = try header(at: offset, in: source), header.number == number,
            offset + header.frameBytes <= source.byteCount
        else { return try resynchronise(in: source) }
        let bytes = offset..<(offset + header.frameBytes)
        if checks(header) {
            try fill(bytes, from: source)
            let isWhole = window.withRawSpan { span in
                span.byteCount >= bytes.upperBound - windowStart
                    && FrameHeader.isWhole(
                        span.extracting(
                            (bytes.lowerBound - windowStart)..<(bytes.upperBound - windowStart)))
            }
            if !isWhole {
                step(to: bytes.upperBound, number: number + 1)
                return .damaged(header.number..<number, bytes: bytes, header)
            }
        }
        frameStart = offset
        step(to: bytes.upperBound, number: number + 1)
        return .frame(header)
    }

    /// Returns a copy of the packet in the frame that `next` returned last, which was checked.
    func packet(of header: FrameHeader) -> [UInt8] {
        let start = frameStart - windowStart + FrameHeader.byteCount
        return Array(window[start..<(start + header.packetBytes)])
    }

    /// Returns the rest of the segment as damage, and moves to its end. The caller knows that the
    /// next segment begins with the frame `next`, so the frames before it were here.
    mutating func giveUp(at end: Int, number next: UInt64) -> Item {
        let item = Item.damaged(
            min(number, next)..<next, bytes: min(offset, end)..<end, nil)
        step(to: end, number: next)
        return item
    }

    // MARK: parts

    private mutating func step(to offset: Int, number: UInt64) {
        self.offset = offset
        self.number = number
    }

    private mutating func header(
        at place: Int, in source: some SegmentBytes
    ) throws(SpoolError) -> FrameHeader? {
        let end = place + FrameHeader.byteCount
        guard end <= source.byteCount else { return nil }
        try fill(place..<end, from: source)
        return window.withRawSpan { span in
            guard span.byteCount >= end - windowStart else { return nil }
            return FrameHeader(span.extracting((place - windowStart)..<(end - windowStart)))
        }
    }

    /// Makes the window hold the range, as far as the source has it.
    private mutating func fill(
        _ range: Range<Int>, from source: some SegmentBytes
    ) throws(SpoolError) {
        if range.lowerBound >= windowStart, range.upperBound <= windowStart + window.count {
            return
        }
        let end = min(
            source.byteCount, max(range.upperBound, range.lowerBound + Self.windowBytes))
        // If the read throws, the window must not claim to hold other bytes.
        windowStart = range.lowerBound
        try source.read(range.lowerBound..<end, into: &window)
    }

    /// Searches for the next valid header after `offset`, and returns everything before it as
    /// damage; `nil` when none follows. Only a frame with a number that may follow counts.
    private mutating func resynchronise(
        in source: some SegmentBytes
    ) throws(SpoolError) -> Item? {
        var place = offset
        while place + FrameHeader.byteCount <= source.byteCount {
            try fill(place..<(place + FrameHeader.byteCount), from: source)
            guard let found = magic(from: place) else {
                // The window's last bytes may be the first bytes of a magic.
                place = max(place + 1, windowStart + window.count - 3)
                continue
            }
            if let header = try header(at: found, in: source),
                header.number >= number, found > offset || header.number > number,
                found + header.frameBytes <= source.byteCount
            {
                let item = Item.damaged(number..<header.number, bytes: offset..<found, nil)
                step(to: found, number: header.number)
                return item
            }
            place = found + 1
        }
        return nil
    }

    /// Returns the first offset in the window, from the given one, where a header may begin.
    private func magic(from place: Int) -> Int? {
        window.withRawSpan { span in
            var index = place - windowStart
            while index + 4 <= span.byteCount {
                if span.uint32(at: index) == FrameHeader.magic { return windowStart + index }
                index += 1
            }
            return nil
        }
    }
}
