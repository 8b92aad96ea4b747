internal import Primitives
internal import TapeCodec

/// The segments of a spool in order.
struct SegmentChain {
    struct Segment {
        /// The number of its first frame; its name says it.
        let first: UInt64
        let path: String
        /// Those of whole frames.
        var bytes: Int
    }

    static let suffix = ".frames"

    var segments: [Segment]
    /// The number behind the last frame.
    var end: UInt64

    var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }
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
