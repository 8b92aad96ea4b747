internal import Primitives
internal import TapeCodec

/// The segments of a spool in order, without those that were removed.
struct SegmentChain {
    struct Segment {
        /// The number of its first frame. The file's name contains it.
        let first: UInt64
        let path: String
        /// The bytes of its complete frames; of the last segment, those that may be read.
        var bytes: Int
    }

    static let suffix = ".frames"

    var segments: [Segment]
    /// The number after the last frame.
    var end: UInt64

    /// The bytes of all complete frames.
    var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }
}

/// Frames that cannot be read. Their ticks are lost, unless they are on the tape already.
package struct SpoolDamage: Hashable, Sendable, CustomStringConvertible {
    /// The path of the segment; empty when the segment is missing.
    package let segment: String
    /// The bytes in the segment.
    package let bytes: Range<Int>
    /// The numbers of the frames.
    package let frames: Range<UInt64>
    /// The header of a single frame whose packet is damaged and whose header is intact: it shows
    /// the lost ordinals. `nil` for other damage: then the partition is unknown, and only the next
    /// frame of the partition shows which ordinals are missing.
    package let header: FrameHeader?

    package var description: String {
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
    /// The content of a folder, read from the headers alone.
    struct Survey {
        var segments: [Segment] = []
        /// The number after the last frame.
        var end: UInt64 = 1
        /// The number of frames whose headers cannot be read.
        var damagedFrames: UInt64 = 0
        /// The bytes at the end of the last segment: an incomplete frame whose writer ended.
        var tornBytes = 0
        /// The paths of segments whose frames are all below the first wanted one.
        var passed: [String] = []
    }

    /// Reads the headers of all frames from the number `first` on and hands each to `body`. Packets
    /// are not checked. Segments that another process removes meanwhile are skipped.
    static func survey(
        _ folder: String, from first: UInt64 = 0, each body: (FrameHeader) -> Void
    ) throws(SpoolError) -> Survey {
        var survey = Survey()
        let files = try self.files(in: folder)
        for (index, segment) in files.enumerated() {
            let following = index + 1 < files.endIndex ? files[index + 1].first : nil
            // All frames of this segment are below `first`, so it is not read.
            if let following, following <= first {
                survey.passed.append(segment.path)
                continue
            }
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

    /// Returns the path of the segment whose first frame has this number. The digits are padded, so
    /// that the order of names is the order of frames.
    static func path(_ folder: String, first: UInt64) -> String {
        let digits = String(first)
        return "\(folder)/" + String(repeating: "0", count: 20 - digits.count) + digits + suffix
    }

    /// Returns the segments in the folder in order, with unknown sizes.
    private static func files(in folder: String) throws(SpoolError) -> [Segment] {
        try SpoolFiles.names(in: folder).compactMap { name in
            guard name.hasSuffix(suffix), name.utf8.count == 20 + suffix.utf8.count,
                let first = UInt64(name.dropLast(suffix.count)), first <= FrameHeader.numberMax
            else { return nil }
            return Segment(first: first, path: "\(folder)/\(name)", bytes: 0)
        }
    }
}
