internal import MarketModel
package import Primitives

/// A spool that was set aside.
package struct SpoolAside: Hashable, Sendable {
    /// The name of its folder, which `tapeline spool` takes.
    package let name: String
    package let ticks: Int
    package let frames: UInt64
    package let bytes: Int
    /// Older spools that were removed to stay within the limits. Their ticks can no longer be
    /// replayed.
    package let removed: [String]
}

extension Spool {
    /// Sets everything that is not consumed aside, for a person to check and replay, and begins
    /// with an empty spool. The gateway does this when another process may have owned the source
    /// since. `reason` is for people. Returns `nil` when there was nothing. The change is synced to
    /// the disk when it returns. If this throws, it can be called again.
    package func setAside(reason: String, now: Timestamp) throws(SpoolError) -> SpoolAside? {
        guard !isEmpty else { return nil }
        let (frames, ticks, bytes) = (frames, ticks, bytes)
        // A failed sync must not prevent the spool from being set aside.
        do throws(SpoolError) {
            try sync()
        } catch {
            unsyncedFrames = 0
        }
        let why = SetAside(source: settings.source, reason: reason, time: now)
        try SpoolFiles.replace(SpoolFolder.whyName, in: folder.active, by: why.json)
        let name = try Self.moveAside(folder, time: now)
        try beginAnew()
        try Self.syncAside(folder)
        let removed = try AsideLimits(settings).apply(keeping: name)
        return SpoolAside(
            name: name, ticks: ticks, frames: frames, bytes: bytes, removed: removed)
    }

    /// Begins with an empty spool. Frames keep counting.
    private func beginAnew() throws(SpoolError) {
        writer = nil
        mark = MarkFile()
        unsyncedFrames = 0
        isFolderUnsynced = false
        tails.removeAll()
        holder = SpoolHolder(source: settings.source)
        chain.segments = []
        consumedBelow = chain.end
        for index in queues.indices { queues[index] = Queue(at: chain.end) }
        try writeHolder()
        try settle()
    }

    /// Renames the spool's folder and returns its new name. It is not synced here.
    static func moveAside(_ folder: SpoolFolder, time: Timestamp) throws(SpoolError) -> String {
        try SpoolFiles.makeFolder(folder.aside)
        let name = folder.asideName(time, taken: try SpoolFiles.names(in: folder.aside))
        try SpoolFiles.move(folder.active, to: "\(folder.aside)/\(name)")
        return name
    }

    /// Makes the move survive a power cut. After a power cut before that, the next process finds
    /// the file `why` in the spool and moves the folder again.
    static func syncAside(_ folder: SpoolFolder) throws(SpoolError) {
        try SpoolFiles.syncFolder(folder.aside)
        try SpoolFiles.syncFolder(folder.path)
    }
}

/// Keeps the spools that were set aside within their bounds.
struct AsideLimits {
    /// The file that marks a spool as completely replayed.
    static let replayedName = "replayed"

    private let settings: Spool.Settings

    init(_ settings: Spool.Settings) { self.settings = settings }

    /// A spool that was set aside and still exists.
    private struct Kept {
        let name: String
        let path: String
        let time: Timestamp
        let bytes: Int
        let isReplayed: Bool
    }

    /// Removes the oldest spools, replayed ones first, but never `newest`. Returns their names.
    func apply(keeping newest: String) throws(SpoolError) -> [String] {
        let root = SpoolFolder.aside(settings.folder)
        var kept: [Kept] = []
        for name in try SpoolFiles.names(in: root) {
            let path = "\(root)/\(name)"
            guard
                let why = SetAside.parse(
                    try SpoolFiles.contents("\(path)/\(SpoolFolder.whyName)")),
                why.source == settings.source
            else { continue }
            let files = try SpoolFiles.names(in: path)
            kept.append(
                Kept(
                    name: name, path: path, time: why.time,
                    bytes: files.reduce(0) {
                        $0 + (SpoolFiles.byteCount(of: "\(path)/\($1)") ?? 0)
                    }, isReplayed: files.contains(Self.replayedName)))
        }
        var (count, bytes) = (kept.count, kept.reduce(0) { $0 + $1.bytes })
        var removed: [String] = []
        let order = kept.filter { $0.name != newest }.sorted {
            $0.isReplayed == $1.isReplayed ? $0.time < $1.time : $0.isReplayed
        }
        for old in order where count > settings.asideMax || bytes > settings.asideBytesMax {
            try SpoolFiles.removeFolder(old.path)
            count -= 1
            bytes -= old.bytes
            removed.append(old.name)
        }
        return removed
    }
}
