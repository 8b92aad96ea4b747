internal import Glibc
public import MarketModel
internal import Primitives
public import TapeCodec

/// Packets of one source that wait on disk until the tape takes them again.
///
/// One order over all partitions on disk. It is read by queues, each of which has every so many-th
/// partition and a place of its own: what one of them cannot take yet holds no other one up. Within
/// a queue, what was appended first is read first. One thread owns it; every call that touches the
/// disk blocks. Memory does not depend on how much is spooled.
public final class Spool {
    public struct Settings: Sendable {
        /// Shared by all sources; each has a folder of its own in it.
        public var folder: String
        public var source: SourceName
        /// All that it may take on disk.
        public var bytesMax: Int
        /// A segment is removed when all of it is consumed.
        public var segmentBytes: Int
        /// Spools of this source that are kept after they were set aside, and their bytes together.
        /// Beyond either the oldest are removed, those that were replayed first; one always stays.
        public var asideMax = 16
        public var asideBytesMax: Int
        /// Partition p is read by queue p mod this.
        public var queues: Int

        public init(folder: String, source: SourceName, bytesMax: Int, queues: Int = 1) {
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

    /// What was found when it was opened.
    public struct Opening: Sendable {
        public internal(set) var frames: UInt64 = 0
        public internal(set) var ticks: UInt64 = 0
        /// At the end of the last segment, cut off: never synced.
        public internal(set) var tornBytes = 0
        /// They are told one by one when reading comes to them.
        public internal(set) var damagedFrames: UInt64 = 0
        /// An end that came while it was being set aside: that is finished now.
        public internal(set) var setAside: String?
        /// Who was the owner cannot be known: the file that says it is damaged or gone.
        public internal(set) var isHolderUnknown = false
    }

    public static let segmentBytesMax = 16 << 20
    /// Frames of a queue that are taken and not consumed yet; then `peek` waits for `consume`.
    public static let takenMax = 1_024
    /// Damage that waits to be looked at; of more the oldest is forgotten.
    public static let damagesMax = 1_024

    public let settings: Settings
    public internal(set) var opening = Opening()
    /// Filled by `peek`, emptied by the owner.
    public var damages: [SpoolDamage] = []

    let folder: SpoolFolder
    private let lock: SpoolFile
    var holder: SpoolHolder
    var chain = SegmentChain(segments: [], end: 1)
    var tails: [Partition: SpoolTail] = [:]

    // Writing.
    var writer: SpoolFile?
    var buffer: [UInt8] = []
    var unsyncedFrames = 0
    var isFolderUnsynced = false

    // Reading.
    var queues: [Queue]
    var mark: SpoolFile?
    /// All below stand on the tape.
    var consumedBelow: UInt64 = 1
    /// Damage that hides whose frames it took is told once: all queues come by.
    var damageToldBelow: UInt64 = 0

    struct Taken {
        let header: FrameHeader
        var isConsumed = false
    }

    /// What is on its way out of one queue.
    struct Queue {
        var cursor: SegmentCursor
        var head: (header: FrameHeader, packet: SpooledPacket)?
        var taken: [Taken] = []

        init(at number: UInt64) { cursor = SegmentCursor(at: number) }

        /// All of its frames below stand on the tape.
        var doneBelow: UInt64 { taken.first?.header.number ?? head?.header.number ?? cursor.number }
    }

    /// Opens what an earlier process left, or makes it.
    public init(_ settings: Settings) throws(SpoolError) {
        self.settings = settings
        queues = (0..<settings.queues).map { _ in Queue(at: 1) }
        folder = SpoolFolder(root: settings.folder, source: settings.source)
        try SpoolFiles.makeFolder(folder.path)
        lock = try Self.lock(folder)
        if let why = SetAside.parse(
            try SpoolFiles.contents("\(folder.active)/\(SpoolFolder.whyName)"))
        {
            opening.setAside = try Self.moveAside(folder, time: why.time)
        }
        try SpoolFiles.makeFolder(folder.active)
        holder = SpoolHolder(source: settings.source)
        try readHolder()
        try readSegments()
        try SpoolFiles.remove(folder.reserve)
    }

    // MARK: what the owner asks

    public var isEmpty: Bool { frames == 0 }
    /// From the first that is not consumed on; those that cannot be read are among them until
    /// reading comes to them.
    public var frames: UInt64 { chain.end - consumedBelow }
    public func queue(of partition: Partition) -> Int { partition.number % queues.count }
    /// Everything that was in the queue is consumed, as far as `peek` has looked.
    public func isEmpty(queue: Int) -> Bool { queues[queue].doneBelow >= chain.end }
    /// Not consumed.
    public var ticks: Int { tails.values.reduce(0) { $0 + $1.ticks } }
    /// On disk, consumed frames of a segment that is not removed yet included.
    public var bytes: Int { chain.bytes }
    /// What may still be taken.
    public var bytesFree: Int { max(0, settings.bytesMax - bytes) }

    /// Nil when nothing of the partition is spooled.
    public func tail(_ partition: Partition) -> SpoolTail? { tails[partition] }

    /// The epochs that this spool's holder opened, ascending: when the tape's last one is another,
    /// somebody else was the owner since.
    public func epochs(_ partition: Partition) -> [UInt64] { holder.epochs[partition] ?? [] }

    /// Puts on record, synced, that the holder opened these epochs. Before anything is spooled in
    /// them.
    public func hold(_ opened: [(partition: Partition, epoch: UInt64)]) throws(SpoolError) {
        if isEmpty { holder.keepLatest() }
        var isNews = false
        for (partition, epoch) in opened where holder.open(epoch, partition) { isNews = true }
        if isNews { try writeHolder() }
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

    func writeHolder() throws(SpoolError) {
        try SpoolFiles.replace(SpoolHolder.fileName, in: folder.active, by: holder.json)
    }

    private func readSegments() throws(SpoolError) {
        let path = "\(folder.active)/\(SpoolMark.fileName)"
        consumedBelow = max(1, SpoolMark.number(try SpoolFiles.contents(path)) ?? 1)
        mark = try SpoolFile(path, .writing)
        // Takes its block while there is room.
        try writeMark()
        var found = Opening()
        let survey = try SegmentChain.survey(folder.active, from: consumedBelow) { frame in
            found.frames += 1
            found.ticks += UInt64(frame.tickCount)
            tails[frame.partition, default: SpoolTail()].add(frame)
        }
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
            segments: survey.segments, end: max(consumedBelow, survey.end))
        for index in queues.indices { queues[index] = Queue(at: consumedBelow) }
        // Without frames there is nothing that somebody could have been the owner of.
        if survey.segments.isEmpty { opening.isHolderUnknown = false }
        try removeConsumed()
        try proveSource()
    }

    /// A folder that was copied or renamed by hand.
    private func proveSource() throws(SpoolError) {
        for queue in queues.indices {
            guard let packet = try peek(queue)?.packet, packet.header.source != settings.source
            else { continue }
            throw .otherSource(
                path: folder.path, found: packet.header.source.text, wanted: settings.source)
        }
    }
}

/// A packet that waits to be put on the tape.
public struct SpooledPacket: Sendable {
    public let number: UInt64
    public let packet: SealedPacket
}
