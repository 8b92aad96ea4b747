internal import Primitives
internal import TapeCodec

/// The segments of a spool in order, and a place in them from which frames are read one at a time.
struct SegmentChain {
    struct Segment {
        /// The number of its first frame; its name says it.
        let first: UInt64
        let path: String
        /// Those of whole frames.
        var bytes: Int
    }

    enum Item {
        case frame(FrameHeader, SealedPacket)
        case damaged(SpoolDamage)
    }

    static let suffix = ".frames"

    var segments: [Segment]
    /// The number behind the last frame.
    var end: UInt64
    /// The next frame to be read.
    private(set) var number: UInt64
    private var reader: SpoolFile?
    private var readerFirst: UInt64 = 0
    private var walk = SegmentWalk(number: 0)

    init(segments: [Segment], number: UInt64, end: UInt64) {
        self.segments = segments
        self.number = number
        self.end = end
    }

    var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }

    /// Reads again, or on, from this frame.
    mutating func seek(to number: UInt64) {
        self.number = number
        reader = nil
    }

    /// Closes what is open for reading.
    mutating func close() { reader = nil }

    /// Nil: there is nothing behind what was read.
    mutating func next() throws(SpoolError) -> Item? {
        while number < end {
            guard let index = segments.lastIndex(where: { $0.first <= number }) ?? startOver()
            else {
                return .damaged(missing(until: end))
            }
            let segment = segments[index]
            let file = try opened(segment)
            let item = try walk.next(in: file, checking: walk.number >= number)
            switch item {
            case .frame(let header)?:
                if let found = frame(header, in: segment) { return found }
            case .damaged(let numbers, let bytes, let header)?:
                number = max(number, walk.number)
                return .damaged(
                    SpoolDamage(
                        segment: segment.path, bytes: bytes, frames: numbers, header: header))
            case nil:
                if let damage = leave(segment, index: index) { return .damaged(damage) }
            }
        }
        return nil
    }

    // MARK: parts

    /// The frames in front of the first segment are gone.
    private mutating func startOver() -> Int? {
        guard let first = segments.first else { return nil }
        number = max(number, first.first)
        return segments.startIndex
    }

    private mutating func missing(until next: UInt64) -> SpoolDamage {
        defer { number = next }
        return SpoolDamage(segment: "", bytes: 0..<0, frames: number..<next, header: nil)
    }

    private mutating func opened(_ segment: Segment) throws(SpoolError) -> SpoolFile {
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

    private mutating func frame(_ header: FrameHeader, in segment: Segment) -> Item? {
        // One in front of the place to read from was passed over unproven.
        guard header.number >= number else { return nil }
        number = header.number + 1
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

    /// Goes on to the next segment; what frames should have stood here and do not are told.
    private mutating func leave(_ segment: Segment, index: Int) -> SpoolDamage? {
        let next = index + 1 < segments.endIndex ? segments[index + 1].first : end
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

/// Frames that cannot be read: their ticks are lost, unless they stand on the tape already.
public struct SpoolDamage: Hashable, Sendable, CustomStringConvertible {
    /// Where they stood.
    public let segment: String
    public let bytes: Range<Int>
    /// Their numbers.
    public let frames: Range<UInt64>
    /// Of a single one whose packet is damaged and whose header is not: it has the ordinals. Of
    /// others the next frame of the partition shows them, by its own.
    public let header: FrameHeader?

    public var description: String {
        let place = "\(segment) at \(bytes.lowerBound)..<\(bytes.upperBound)"
        guard let header, let ordinals = header.ordinals else {
            return "\(frames.count) frames from \(frames.lowerBound) on are damaged: \(place)"
        }
        return "frame \(header.number) is damaged: ordinals \(ordinals.lowerBound) to "
            + "\(ordinals.upperBound) of partition \(header.partition), epoch \(header.epoch): "
            + place
    }
}

extension SegmentChain {
    /// What the headers in a folder say, without looking at the packets.
    struct Survey {
        var segments: [Segment] = []
        var end: UInt64 = 1
        var damagedFrames: UInt64 = 0
        /// At the end of the last segment: what was being written when its writer ended.
        var tornBytes = 0
    }

    /// Goes over all frames. Segments that another process removes meanwhile are passed over.
    static func survey(
        _ folder: String, from first: UInt64 = 0, each body: (FrameHeader) -> Void
    ) throws(SpoolError) -> Survey {
        var survey = Survey()
        let files = try self.files(in: folder)
        for (index, segment) in files.enumerated() {
            let following = index + 1 < files.endIndex ? files[index + 1].first : nil
            // All of it is below: it is not even looked at.
            if let following, following <= first { continue }
            let file: SpoolFile
            do throws(SpoolError) {
                file = try SpoolFile(segment.path, .reading)
            } catch .system(_, _, .isNotThere) {
                continue
            }
            var walk = SegmentWalk(number: segment.first)
            while let item = try walk.next(in: file, checking: false) {
                switch item {
                case .frame(let header): if header.number >= first { body(header) }
                case .damaged(let numbers, _, _): survey.damagedFrames += UInt64(numbers.count)
                }
            }
            var found = segment
            if let following {
                found.bytes = file.byteCount
                if walk.number < following { survey.damagedFrames += following - walk.number }
            } else {
                found.bytes = walk.offset
                survey.tornBytes = file.byteCount - walk.offset
            }
            survey.segments.append(found)
            survey.end = max(survey.end, walk.number, following ?? 0)
        }
        return survey
    }

    static func path(_ folder: String, first: UInt64) -> String {
        let digits = String(first)
        return "\(folder)/" + String(repeating: "0", count: 20 - digits.count) + digits + suffix
    }

    private static func files(in folder: String) throws(SpoolError) -> [Segment] {
        try SpoolFiles.names(in: folder).compactMap { name in
            guard name.hasSuffix(suffix), name.utf8.count == 20 + suffix.utf8.count,
                let first = UInt64(name.dropLast(suffix.count)), first <= FrameHeader.numberMax
            else { return nil }
            return Segment(first: first, path: "\(folder)/\(name)", bytes: 0)
        }
    }
}
