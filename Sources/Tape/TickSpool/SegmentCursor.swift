internal import Primitives
internal import TapeCodec

/// A position in the segments of a spool, from which frames are read one at a time. Each queue of a
/// spool has one, and `SpoolReader`.
struct SegmentCursor {
    enum Item {
        case frame(FrameHeader, SealedPacket)
        case damaged(SpoolDamage)
    }

    /// The number of the next frame to be read.
    private(set) var number: UInt64
    /// The open segment, and the number of its first frame; `nil` when none is open.
    private var reader: SpoolFile?
    private var readerFirst: UInt64 = 0
    private var walk = SegmentWalk(number: 0)

    init(at number: UInt64) { self.number = number }

    /// Closes the open segment.
    mutating func close() { reader = nil }

    /// Returns the next wanted frame, whose packet is checked; of other frames only the headers are
    /// read. Damage whose partition is unknown is returned whatever is wanted. Returns `nil` when
    /// nothing follows what was read.
    mutating func next(
        in chain: SegmentChain, wants: (FrameHeader) -> Bool = { _ in true }
    ) throws(SpoolError) -> Item? {
        while number < chain.end {
            guard
                let index = chain.segments.lastIndex(where: { $0.first <= number })
                    ?? startOver(chain)
            else {
                return .damaged(missing(until: chain.end))
            }
            let segment = chain.segments[index]
            let file = try opened(segment)
            let from = number
            let item = try walk.next(in: file) { $0.number >= from && wants($0) }
            switch item {
            case .frame(let header)?:
                // The walk begins at the start of a segment, so it passes frames before the
                // position.
                guard header.number >= number else { continue }
                number = header.number + 1
                guard wants(header) else { continue }
                return frame(header, in: segment)
            case .damaged(let numbers, let bytes, let header)?:
                number = max(number, walk.number)
                return .damaged(
                    SpoolDamage(
                        segment: segment.path, bytes: bytes, frames: numbers, header: header))
            case nil:
                if let damage = leave(segment, index: index, chain) { return .damaged(damage) }
            }
        }
        return nil
    }

    // MARK: parts

    /// Continues at the first segment: the frames before it are no longer there.
    private mutating func startOver(_ chain: SegmentChain) -> Int? {
        guard let first = chain.segments.first else { return nil }
        number = max(number, first.first)
        return chain.segments.startIndex
    }

    /// Returns all frames up to `next` as damage: their segments are no longer there.
    private mutating func missing(until next: UInt64) -> SpoolDamage {
        defer { number = next }
        return SpoolDamage(segment: "", bytes: 0..<0, frames: number..<next, header: nil)
    }

    /// Returns the segment's file, opened if necessary.
    private mutating func opened(_ segment: SegmentChain.Segment) throws(SpoolError) -> SpoolFile {
        if let reader, readerFirst == segment.first {
            reader.byteCount = segment.bytes
            return reader
        }
        let file = try SpoolFile(segment.path, .reading)
        file.byteCount = min(file.byteCount, segment.bytes)
        reader = file
        readerFirst = segment.first
        walk = SegmentWalk(number: segment.first)
        return file
    }

    /// Returns the frame that was just read, or damage when its packet cannot be read.
    private func frame(_ header: FrameHeader, in segment: SegmentChain.Segment) -> Item {
        do throws(PacketError) {
            let packet = try SealedPacket(
                sealed: walk.packet(of: header), oldestEventTime: header.oldestEventTime)
            return .frame(header, packet)
        } catch {
            let end = walk.offset
            return .damaged(
                SpoolDamage(
                    segment: segment.path, bytes: (end - header.frameBytes)..<end,
                    frames: header.number..<number, header: header))
        }
    }

    /// Moves to the next segment. Returns damage when frames should have been here and are not.
    private mutating func leave(
        _ segment: SegmentChain.Segment, index: Int, _ chain: SegmentChain
    ) -> SpoolDamage? {
        let next = index + 1 < chain.segments.endIndex ? chain.segments[index + 1].first : chain.end
        let rest = walk.giveUp(at: segment.bytes, number: max(next, walk.number))
        let from = number
        number = max(number, next)
        guard case .damaged(let numbers, let bytes, _) = rest, number > from else { return nil }
        return SpoolDamage(
            segment: segment.path, bytes: bytes,
            frames: max(numbers.lowerBound, from)..<max(number, numbers.lowerBound, from),
            header: nil)
    }
}
