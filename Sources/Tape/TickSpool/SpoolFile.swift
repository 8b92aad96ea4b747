internal import Glibc

/// An open file of the spool: a segment, the mark, the lock, or a small file. Every call either
/// succeeds completely or throws.
final class SpoolFile: SegmentBytes {
    let path: String
    private let descriptor: Int32
    private var isLocked = false
    /// The bytes of complete frames; at first the size of the file. Its users change it as frames
    /// are appended or cut off.
    var byteCount: Int

    enum Access {
        /// The file must exist.
        case reading
        /// Reading and writing. The file is made when it does not exist.
        case writing
    }

    init(_ path: String, _ access: Access) throws(SpoolError) {
        self.path = path
        let flags: Int32
        switch access {
        case .reading: flags = O_RDONLY
        case .writing: flags = O_RDWR | O_CREAT
        }
        descriptor = unsafe open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .failed("open", path) }
        var found = stat()
        guard unsafe fstat(descriptor, &found) == 0 else {
            let error = SpoolError.failed("look at", path)
            close(descriptor)
            throw error
        }
        byteCount = Int(found.st_size)
    }

    /// The lock is released explicitly: a child process that was forked meanwhile shares the
    /// descriptor, and with it the lock, until it executes another program.
    deinit {
        if isLocked { flock(descriptor, LOCK_UN) }
        close(descriptor)
    }

    /// Replaces the buffer's content by the bytes of the range. Fewer bytes than requested come
    /// only at the end of the file.
    func read(_ range: Range<Int>, into buffer: inout [UInt8]) throws(SpoolError) {
        let missing = range.count - buffer.count
        if missing > 0 { buffer.append(contentsOf: repeatElement(0, count: missing)) }
        var done = 0
        while done < range.count {
            let count = unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    descriptor, buffer.baseAddress?.advanced(by: done), range.count - done,
                    off_t(range.lowerBound + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                let error = SpoolError.failed("read", path)
                buffer.removeAll(keepingCapacity: true)
                throw error
            }
            if count == 0 { break }
            done += count
        }
        buffer.removeLast(buffer.count - done)
    }

    /// Writes all bytes at the offset. They survive the process, but not a power cut before `sync`.
    func write(_ bytes: [UInt8], at offset: Int) throws(SpoolError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe pwrite(
                    descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                    off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw .system(
                    operation: "write", path: path,
                    code: count == 0 ? .init(rawValue: EIO) : .current)
            }
            done += count
        }
    }

    /// Removes everything after this number of bytes. It does not change `byteCount`.
    func cut(to bytes: Int) throws(SpoolError) {
        guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw .failed("cut", path) }
    }

    /// Makes what was written survive a power cut. The name of a new file needs `syncFolder`.
    func sync() throws(SpoolError) {
        guard fdatasync(descriptor) == 0 else { throw .failed("sync", path) }
    }

    /// Locks the file against other processes until this object is released. Returns false when
    /// another process has the lock. The kernel releases the lock of a process that ends, however
    /// it ends.
    func lock() throws(SpoolError) -> Bool {
        isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
        if isLocked { return true }
        guard errno == EWOULDBLOCK else { throw .failed("lock", path) }
        return false
    }
}

/// Operations on names and folders.
enum SpoolFiles {
    /// The largest size of a small file: holder, mark, reason.
    static let smallBytesMax = 1 << 20

    /// Returns the content; `nil` when there is no file. More than `smallBytesMax` bytes are cut
    /// off.
    static func contents(_ path: String) throws(SpoolError) -> [UInt8]? {
        let file: SpoolFile
        do throws(SpoolError) {
            file = try SpoolFile(path, .reading)
        } catch .system(_, _, .isNotThere) {
            return nil
        }
        var bytes: [UInt8] = []
        try file.read(0..<min(file.byteCount, smallBytesMax), into: &bytes)
        return bytes
    }

    /// Replaces a file. Even after a power cut, a reader finds either the old content or the
    /// complete new one.
    static func replace(_ name: String, in folder: String, by bytes: [UInt8]) throws(SpoolError) {
        let temporary = "\(folder)/\(name).new"
        let file = try SpoolFile(temporary, .writing)
        try file.cut(to: 0)
        try file.write(bytes, at: 0)
        try file.sync()
        try move(temporary, to: "\(folder)/\(name)")
        try syncFolder(folder)
    }

    /// Makes the folder and those above it, and syncs them to the disk.
    static func makeFolder(_ path: String) throws(SpoolError) {
        if isFolder(path) { return }
        let parent = folder(of: path)
        if parent != path { try makeFolder(parent) }
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .failed("make", path)
        }
        guard isFolder(path) else {
            throw .system(operation: "use", path: path, code: .init(rawValue: ENOTDIR))
        }
        try syncFolder(parent)
    }

    /// Renames a file or folder. It is not synced here.
    static func move(_ path: String, to target: String) throws(SpoolError) {
        guard unsafe rename(path, target) == 0 else { throw .failed("move", path) }
    }

    /// Removes a file. It is no error when there is none.
    static func remove(_ path: String) throws(SpoolError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .failed("remove", path) }
    }

    /// Removes a folder and the files in it. It is no error when there is none.
    static func removeFolder(_ path: String) throws(SpoolError) {
        guard isFolder(path) else { return }
        for name in try names(in: path) { try remove("\(path)/\(name)") }
        guard unsafe rmdir(path) == 0 || errno == ENOENT else { throw .failed("remove", path) }
    }

    /// Syncs the folder, so that a file that was made, moved or removed in it stays so after a
    /// power cut.
    static func syncFolder(_ path: String) throws(SpoolError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .failed("sync", path) }
    }

    /// Returns whether there is a folder at the path.
    static func isFolder(_ path: String) -> Bool {
        var found = stat()
        return unsafe stat(path, &found) == 0 && found.st_mode & S_IFMT == S_IFDIR
    }

    /// Returns the size of a file; `nil` when there is none.
    static func byteCount(of path: String) -> Int? {
        var found = stat()
        return unsafe stat(path, &found) == 0 ? Int(found.st_size) : nil
    }

    /// Returns the names in order; none when there is no such folder.
    static func names(in path: String) throws(SpoolError) -> [String] {
        guard let listing = unsafe opendir(path) else {
            if errno == ENOENT { return [] }
            throw .failed("list", path)
        }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Returns the folder in which the path is.
    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
