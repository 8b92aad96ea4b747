package import MarketModel
package import Primitives

/// The content of one spool, read from its folder, for `tapeline spool`. Nothing is locked or
/// changed, so a gateway may be using the spool.
package struct SpoolSurvey: Hashable, Sendable {
    /// The unconsumed frames of one partition.
    package struct Share: Hashable, Sendable {
        package let partition: Partition
        package let frames: UInt64
        package let ticks: UInt64
        /// The epochs of the frames, ascending, and those that the holder opened in the partition.
        package let epochs: [UInt64]
        package let holderEpochs: [UInt64]
        /// The lowest and the highest ordinal; `nil` when there are no ticks.
        package let ordinals: ClosedRange<UInt64>?
        /// The earliest event time; undefined when there are no ticks.
        package let oldestEventTime: Timestamp
        /// The watermark of the last frame.
        package let watermark: Timestamp
    }

    /// The source's name for a spool in use, `<source>-<time>` for one that was set aside.
    package let name: String
    package let path: String
    /// `nil` when neither its holder nor its reason can be read.
    package let source: SourceName?
    package let isAside: Bool
    /// Why it was set aside, and when; empty and undefined for a spool in use.
    package let reason: String
    package let time: Timestamp
    /// Whether it was set aside and `tapeline spool replay` has published what it could.
    package let isReplayed: Bool
    /// The number of unconsumed frames.
    package let frames: UInt64
    package let ticks: UInt64
    /// The bytes of all segments.
    package let bytes: Int
    /// The number of frames whose headers cannot be read.
    package let damagedFrames: UInt64
    /// The bytes of an incomplete frame at the end.
    package let tornBytes: Int
    /// The partitions' shares, in order of their partitions.
    package let shares: [Share]

    /// The earliest event time of all ticks; undefined when there are none.
    package var oldestEventTime: Timestamp { shares.map(\.oldestEventTime).min() ?? .undefined }
    /// The latest watermark of all partitions; undefined when there are no frames.
    package var watermark: Timestamp {
        shares.map(\.watermark).max() ?? .undefined
    }
}

extension SpoolSurvey {
    /// Returns all spools below the folder, in order of their names: first those in use by their
    /// sources, then those set aside. Returns none when the folder does not exist.
    package static func all(in root: String) throws(SpoolError) -> [SpoolSurvey] {
        var found: [SpoolSurvey] = []
        for name in try SpoolFiles.names(in: root) {
            let path = "\(root)/\(name)/\(SpoolFolder.activeName)"
            guard SpoolFiles.isFolder(path) else { continue }
            found.append(try SpoolSurvey(name: name, path: path, isAside: false))
        }
        let asides = SpoolFolder.aside(root)
        for name in try SpoolFiles.names(in: asides) where name.hasSuffixOfAside {
            let path = "\(asides)/\(name)"
            guard SpoolFiles.isFolder(path) else { continue }
            found.append(try SpoolSurvey(name: name, path: path, isAside: true))
        }
        return found
    }

    /// Returns a spool that was set aside; `nil` when there is none of this name.
    package static func aside(_ name: String, in root: String) throws(SpoolError) -> SpoolSurvey? {
        let path = "\(SpoolFolder.aside(root))/\(name)"
        guard name.hasSuffixOfAside, !name.contains("/"), SpoolFiles.isFolder(path) else {
            return nil
        }
        return try SpoolSurvey(name: name, path: path, isAside: true)
    }

    private init(name: String, path: String, isAside: Bool) throws(SpoolError) {
        self.name = name
        self.path = path
        self.isAside = isAside
        var holder: SpoolHolder?
        if case .holder(let found) = SpoolHolder.parse(
            try SpoolFiles.contents("\(path)/\(SpoolHolder.fileName)"))
        {
            holder = found
        }
        let why = SetAside.parse(try SpoolFiles.contents("\(path)/\(SpoolFolder.whyName)"))
        source = why?.source ?? holder?.source
        reason = why?.reason ?? ""
        time = why?.time ?? .undefined
        isReplayed = SpoolFiles.byteCount(of: "\(path)/\(AsideLimits.replayedName)") != nil
        let mark = try SpoolMark.read(in: path)
        var counts: [Partition: Counts] = [:]
        var total: (frames: UInt64, ticks: UInt64) = (0, 0)
        let survey = try SegmentChain.survey(path, from: mark.lowest) { frame in
            guard !mark.covers(frame) else { return }
            total.frames += 1
            total.ticks += UInt64(frame.tickCount)
            counts[frame.partition, default: Counts()].add(frame)
        }
        (frames, ticks) = total
        bytes = survey.segments.reduce(0) { $0 + $1.bytes }
        damagedFrames = survey.damagedFrames
        tornBytes = survey.tornBytes
        shares = counts.sorted { $0.key < $1.key }.map { partition, counts in
            Share(
                partition: partition, frames: counts.frames, ticks: counts.ticks,
                epochs: counts.epochs.sorted(), holderEpochs: holder?.epochs[partition] ?? [],
                ordinals: counts.ordinals, oldestEventTime: counts.oldest,
                watermark: counts.watermark)
        }
    }

    /// The sums of one partition.
    private struct Counts {
        var frames: UInt64 = 0
        var ticks: UInt64 = 0
        /// There are few epochs: one per owner of the spool.
        var epochs: Set<UInt64> = []
        var ordinals: ClosedRange<UInt64>?
        var oldest = Timestamp.undefined
        var watermark = Timestamp.undefined

        private static let epochsMax = 1_024

        mutating func add(_ frame: FrameHeader) {
            frames += 1
            ticks += UInt64(frame.tickCount)
            if epochs.count < Self.epochsMax { epochs.insert(frame.epoch) }
            if let more = frame.ordinals {
                let known = ordinals ?? more
                ordinals =
                    min(known.lowerBound, more.lowerBound)...max(known.upperBound, more.upperBound)
            }
            oldest = min(oldest, frame.oldestEventTime)
            watermark = frame.watermark
        }
    }
}

/// Reads the unconsumed frames of a spool that was set aside, in order, for `tapeline spool
/// replay`.
package final class SpoolReader {
    package enum Item: Sendable {
        case packet(SpooledPacket)
        case damaged(SpoolDamage)
    }

    private let chain: SegmentChain
    private var cursor: SegmentCursor
    private let mark: SpoolMark
    private let path: String

    /// Begins at the first unconsumed frame of the spool.
    package init(_ survey: SpoolSurvey) throws(SpoolError) {
        path = survey.path
        mark = try SpoolMark.read(in: path)
        let found = try SegmentChain.survey(path, from: mark.lowest) { _ in }
        chain = SegmentChain(segments: found.segments, end: found.end)
        cursor = SegmentCursor(at: mark.lowest)
    }

    /// Returns the next packet or damage; `nil` at the end.
    package func next() throws(SpoolError) -> Item? {
        switch try cursor.next(in: chain, wants: { !mark.covers($0) }) {
        case .frame(let header, let packet)?:
            return .packet(
                SpooledPacket(number: header.number, packet: packet))
        case .damaged(let damage)?: return .damaged(damage)
        case nil: return nil
        }
    }

    /// Stores, in the spool's folder, that everything was published that could be. `text` is for
    /// people.
    package func markReplayed(_ text: String) throws(SpoolError) {
        try SpoolFiles.replace(AsideLimits.replayedName, in: path, by: Array("\(text)\n".utf8))
    }
}

extension String {
    /// True when the name ends with "-20260105T143000Z", possibly with a number after it.
    fileprivate var hasSuffixOfAside: Bool {
        guard let mark = lastIndex(of: "T") else { return false }
        let day = self[..<mark].suffix(9)
        return day.first == "-" && day.dropFirst().allSatisfy(\.isNumber) && day.count == 9
            && self[mark...].dropFirst().prefix(6).allSatisfy(\.isNumber)
            && self[mark...].dropFirst(7).first == "Z"
    }
}
