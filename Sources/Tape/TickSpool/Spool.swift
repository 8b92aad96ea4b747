internal import Glibc
package import MarketModel
internal import Primitives
package import TapeCodec

/// Packets of one source that wait on a gateway's disk until the tape accepts them again. The
/// gateway's `SourceSpool` has it.
///
/// On disk there is one order over all partitions. Queues read it: with n queues, each has every
/// n-th partition and a separate position, so a packet that cannot be published yet delays no other
/// queue. Within a queue, packets are read in the order in which they were appended. One thread
/// owns the spool; every call that uses the disk blocks. Memory does not depend on how much is
/// spooled.
///
/// A *frame* is a packet with its header on disk; frames are numbered from 1, and no number is used
/// again. A *segment* is a file of frames. A frame is *taken* when its packet is on its way onto
/// the tape, and *consumed* when the packet is there. The *mark* is the file that stores which
/// frames are consumed. The *holder* is the owner of the source whose packets these are, known by
/// the epochs that it opened. A spool whose packets must not be published by a gateway any more is
/// *set aside* for a person.
package final class Spool {
    package struct Settings: Sendable {
        /// The folder for all sources. Each source has a folder in it.
        package var folder: String
        package var source: SourceName
        /// The most bytes of frames on disk, without spools that were set aside.
        package var bytesMax: Int
        /// The size at which a new segment begins. A segment is removed when all of it is consumed.
        package var segmentBytes: Int
        /// The most spools of this source that are kept after they were set aside; `asideBytesMax`
        /// bounds their bytes together. Beyond either limit the oldest are removed, replayed ones
        /// first; the newest always stays.
        package var asideMax = 16
        package var asideBytesMax: Int
        /// The number of queues. Partition p is read by queue p mod this number.
        package var queues: Int

        package init(folder: String, source: SourceName, bytesMax: Int, queues: Int = 1) {
            precondition(queues > 0, "a spool has a queue")
            self.folder = folder
            self.source = source
            self.bytesMax = bytesMax
            self.queues = queues
            segmentBytes = min(Spool.segmentBytesMax, max(1, bytesMax / 8))
            asideBytesMax =
                bytesMax.multipliedReportingOverflow(by: 4).overflow
                ? Int.max : bytesMax * 4
        }
    }

    /// The state in which the spool was found when it was opened.
    package struct Opening: Sendable {
        /// The frames that are not consumed, and their ticks.
        package internal(set) var frames: UInt64 = 0
        package internal(set) var ticks: UInt64 = 0
        /// The bytes that were cut off at the end of the last segment: an incomplete frame.
        /// `append` had not returned for it, or a power cut came before it was synced.
        package internal(set) var tornBytes = 0
        /// The number of frames whose headers cannot be read. Each is reported when reading reaches
        /// it.
        package internal(set) var damagedFrames: UInt64 = 0
        /// The name of the spool that was being set aside when the earlier process ended, which was
        /// completed now; `nil` when none was.
        package internal(set) var setAside: String?
        /// The file with the holder's epochs is damaged or missing, so it is unknown whose packets
        /// these are.
        package internal(set) var isHolderUnknown = false
    }

    /// The largest size of a segment.
    package static let segmentBytesMax = 16 << 20
    /// The most frames of a queue that are taken and not consumed. At this limit `peek` returns
    /// `nil` until `consume` is called.
    package static let takenMax = 1_024
    /// The most entries of `damages`. Beyond it the oldest are dropped.
    package static let damagesMax = 1_024

    package let settings: Settings
    package internal(set) var opening = Opening()
    /// The frames that could not be read. Filled by `peek`, emptied by the owner.
    package var damages: [SpoolDamage] = []

    let folder: SpoolFolder
    /// Keeps other processes out for as long as it is open.
    private let lock: SpoolFile
    var holder: SpoolHolder
    var chain = SegmentChain(segments: [], end: 1)
    /// The unconsumed frames of each partition that has any.
    var tails: [Partition: SpoolTail] = [:]

    // Writing.
    /// The segment to which frames are appended; `nil` when the next frame begins a new one.
    var writer: SpoolFile?
    /// The frame that is being written.
    var buffer: [UInt8] = []
    var unsyncedFrames = 0
    /// Whether a file was made in the folder since the folder was synced.
    var isFolderUnsynced = false

    // Reading.
    var queues: [Queue]
    var mark = MarkFile()
    /// All frames below this number are on the tape, in every queue.
    var consumedBelow: UInt64 = 1
    /// The number below which damaged frames without a readable header were reported. All queues
    /// come to such a frame, because its partition is unknown, but it is reported once.
    var damageReportedBelow: UInt64 = 0

    /// The file of the mark.
    struct MarkFile {
        /// `nil` until it is written for the first time.
        var file: SpoolFile?
        /// The content that was written last; `nil` before the first write and after a failed one.
        var content: SpoolMark?
    }

    /// A frame that was taken.
    struct Taken {
        let header: FrameHeader
        /// Whether it is consumed. It stays here until all earlier frames of the queue are, too.
        var isConsumed = false
    }

    /// The state of one queue.
    struct Queue {
        /// Where reading continues.
        var cursor: SegmentCursor
        /// The frame that was read and not taken; `nil` when none was read.
        var head: (header: FrameHeader, packet: SpooledPacket)?
        /// The frames that were taken, in order, beginning with one that is not consumed.
        var taken: [Taken] = []
        /// Whether no packet of the queue went onto the tape past the spool after the frames that
        /// are not consumed: see `SpoolMark.Queue`.
        var isSure: Bool

        init(at number: UInt64, isSure: Bool = true) {
            cursor = SegmentCursor(at: number)
            self.isSure = isSure
        }

        /// All of the queue's frames below this number are on the tape.
        var doneBelow: UInt64 { taken.first?.header.number ?? head?.header.number ?? cursor.number }
    }

    /// Opens the spool that an earlier process left, or makes one. Throws `inUse` while another
    /// process has it open.
    package init(_ settings: Settings) throws(SpoolError) {
        self.settings = settings
        queues = (0..<settings.queues).map { _ in Queue(at: 1) }
        folder = SpoolFolder(root: settings.folder, source: settings.source)
        try SpoolFiles.makeFolder(folder.path)
        lock = try Self.lock(folder)
        if let why = SetAside.parse(
            try SpoolFiles.contents("\(folder.active)/\(SpoolFolder.whyName)"))
        {
            opening.setAside = try Self.moveAside(folder, time: why.time)
            try Self.syncAside(folder)
        }
        try SpoolFiles.makeFolder(folder.active)
        holder = SpoolHolder(source: settings.source)
        try readHolder()
        try readSegments()
    }

    // MARK: state for the owner

    /// Whether everything is consumed.
    package var isEmpty: Bool { frames == 0 }
    /// The number of frames from the first unconsumed one on. Unreadable frames are included until
    /// reading reaches them.
    package var frames: UInt64 { chain.end - consumedBelow }
    /// Returns the queue that reads the partition's frames.
    package func queue(of partition: Partition) -> Int { partition.number % queues.count }
    /// Returns true when everything in the queue is consumed. The queue knows that only when `peek`
    /// has reached the end.
    package func isEmpty(queue: Int) -> Bool { queues[queue].doneBelow >= chain.end }
    /// The number of unconsumed ticks.
    package var ticks: Int { tails.values.reduce(0) { $0 + $1.ticks } }
    /// The bytes on disk, including consumed frames of a segment that is not removed yet.
    package var bytes: Int { chain.bytes }
    /// The bytes that may still be appended.
    package var bytesFree: Int { max(0, settings.bytesMax - bytes) }

    /// Returns a summary of the partition's unconsumed frames; `nil` when there are none.
    package func tail(_ partition: Partition) -> SpoolTail? { tails[partition] }

    /// The epochs that this spool's holder opened, ascending. If the tape's last epoch is none of
    /// them, another process has been the owner since.
    package func epochs(_ partition: Partition) -> [UInt64] { holder.epochs[partition] ?? [] }

    /// Stores, synced to the disk, that the holder opened these epochs. Call it before anything is
    /// spooled in them, so that the next process can tell whether another owner came between.
    package func hold(_ opened: [(partition: Partition, epoch: UInt64)]) throws(SpoolError) {
        if isEmpty { holder.keepLatest() }
        var isNew = false
        for (partition, epoch) in opened where holder.open(epoch, partition) { isNew = true }
        if isNew { try writeHolder() }
    }

    // MARK: opening

    private static func lock(_ folder: SpoolFolder) throws(SpoolError) -> SpoolFile {
        let file = try SpoolFile(folder.lock, .writing)
        guard try file.lock() else {
            let owner = try SpoolFiles.contents(folder.lock) ?? []
            let text = String(decoding: owner.prefix(32), as: UTF8.self).filter(\.isNumber)
            throw .inUse(
                path: folder.path, by: text.isEmpty ? "another process" : "process \(text)")
        }
        try file.cut(to: 0)
        try file.write(Array("\(getpid())\n".utf8), at: 0)
        return file
    }

    /// Reads the holder. Without one the owner of what is spooled is unknown.
    private func readHolder() throws(SpoolError) {
        let path = "\(folder.active)/\(SpoolHolder.fileName)"
        switch SpoolHolder.parse(try SpoolFiles.contents(path)) {
        case .holder(let found):
            guard found.source == settings.source else {
                throw .otherSource(
                    path: folder.path, found: found.source.text, wanted: settings.source)
            }
            holder = found
        case .newer: throw .unknownVersion(path: path)
        case .damaged, .none:
            opening.isHolderUnknown = true
            try writeHolder()
        }
    }

    /// Writes the holder, synced to the disk.
    func writeHolder() throws(SpoolError) {
        // The folder is not there when the disk failed just after the last one was set aside.
        try SpoolFiles.makeFolder(folder.active)
        try SpoolFiles.replace(SpoolHolder.fileName, in: folder.active, by: holder.json)
    }

    /// Reads what an earlier process left, and cuts off an incomplete frame at the end.
    private func readSegments() throws(SpoolError) {
        let known = try SpoolMark.read(in: folder.active)
        var found = Opening()
        let survey = try SegmentChain.survey(folder.active, from: known.lowest) { frame in
            guard !known.covers(frame) else { return }
            found.frames += 1
            found.ticks += UInt64(frame.tickCount)
            tails[frame.partition, default: SpoolTail()].add(frame)
        }
        // The mark may be ahead of the removal of segments. One that stayed would count as unread
        // after the mark is lost, with a hole where later segments were removed.
        for path in survey.passed { try SpoolFiles.remove(path) }
        opening.frames = found.frames
        opening.ticks = found.ticks
        opening.tornBytes = survey.tornBytes
        opening.damagedFrames = survey.damagedFrames
        if let last = survey.segments.last, survey.tornBytes > 0 {
            let file = try SpoolFile(last.path, .writing)
            try file.cut(to: last.bytes)
            try file.sync()
        }
        chain = SegmentChain(
            segments: survey.segments, end: max(known.highest, survey.end))
        // Without segments everything is consumed: they are removed before the mark is written.
        let start = survey.segments.isEmpty ? chain.end : 1
        consumedBelow = max(start, known.lowest)
        queues = known.divided(among: queues.count).map {
            Queue(at: max(start, $0.below), isSure: $0.isSure)
        }
        // Without frames it does not matter whose packets they were.
        if survey.segments.isEmpty { opening.isHolderUnknown = false }
        try removeConsumed()
        try proveSource()
        // Write the mark now, so that its file has a block on the disk even if that is full later.
        try settle()
    }

    /// Refuses a folder that was copied or renamed by hand: the first packet of each queue must be
    /// of this source.
    private func proveSource() throws(SpoolError) {
        for queue in queues.indices {
            guard let packet = try peek(queue)?.packet, packet.header.source != settings.source
            else { continue }
            throw .otherSource(
                path: folder.path, found: packet.header.source.text, wanted: settings.source)
        }
    }
}

/// A packet that waits to be published on the tape.
package struct SpooledPacket: Sendable {
    /// The number of its frame.
    package let number: UInt64
    package let packet: SealedPacket
}
