internal import Primitives

/// Where the bytes of a segment come from: a file, or an array in tests.
protocol SegmentBytes {
    /// Bytes that may be read: whole frames in a segment that is being written.
    var byteCount: Int { get }
    /// Replaces what is in the buffer; fewer bytes come only at the end.
    func read(_ range: Range<Int>, into buffer: inout [UInt8]) throws(SpoolError)
}

/// Goes through a segment frame by frame and holds one of them at a time.
///
/// Behind damage it goes on at the next place where a frame's header stands that can follow.
struct SegmentWalk {
    enum Item: Equatable {
        case frame(FrameHeader)
        /// Nothing of these frames can be used. With a header when that is whole and its packet is
        /// not.
        case damaged(Range<UInt64>, bytes: Range<Int>, FrameHeader?)
    }

    /// Read at once, so that small frames do not cost a system call each.
    private static let windowBytes = 64 << 10

    /// Where the next frame begins, and its number.
    private(set) var offset: Int
    private(set) var number: UInt64
    private var window: [UInt8] = []
    private var windowStart = 0
    /// The frame that `next` answered last stands here.
    private var frameStart = 0

    init(from offset: Int = 0, number: UInt64) {
        self.offset = offset
        self.number = number
    }

    mutating func next(
        in source: some SegmentBytes, checking: Bool
    ) throws(SpoolError) -> Item? {
        try next(in: source) { _ in checking }
    }

    /// The next frame; nil: what is behind `offset`, if anything, is no frame, and none follows.
    /// The packets of those that `checks` names are proven, of others only the header.
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

    /// A copy of the packet in the frame that `next` answered last, which was checked.
    func packet(of header: FrameHeader) -> [UInt8] {
        let start = frameStart - windowStart + FrameHeader.byteCount
        return Array(window[start..<(start + header.packetBytes)])
    }

    /// Takes the rest of the segment for damage, when it is known that frames stood there.
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
        // Whatever is thrown, the window says nothing wrong.
        windowStart = range.lowerBound
        try source.read(range.lowerBound..<end, into: &window)
    }

    /// Looks for the next header that can stand behind this place: of a later frame, and whole.
    private mutating func resynchronise(
        in source: some SegmentBytes
    ) throws(SpoolError) -> Item? {
        var place = offset
        while place + FrameHeader.byteCount <= source.byteCount {
            try fill(place..<(place + FrameHeader.byteCount), from: source)
            guard let found = magic(from: place) else {
                // The window's last bytes may be the first ones of a magic.
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

    /// The first place in the window, from the one given, where a header may begin.
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
