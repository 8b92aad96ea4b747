internal import Glibc

/// An open file of letters. It is closed when the value ends.
struct LetterFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    init(_ path: String, flags: Int32) throws(DeadLetterFileError) {
        self.path = path
        descriptor = unsafe open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .failed("open", path) }
    }

    deinit { close(descriptor) }

    /// Bounds the wait for a lock, so that a process that hangs with it does not block others for
    /// longer.
    private static let lockTries = 200
    private static let lockStepMilliseconds: Int32 = 10

    /// Waits up to two seconds for the lock. The kernel releases it when its holder ends, however
    /// it ends.
    func lock() throws(DeadLetterFileError) {
        for _ in 0..<Self.lockTries {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK || errno == EINTR else { throw .failed("lock", path) }
            poll(nil, 0, Self.lockStepMilliseconds)
        }
        throw .failed("lock", path)
    }

    func byteCount() throws(DeadLetterFileError) -> Int {
        var found = stat()
        guard unsafe fstat(descriptor, &found) == 0 else { throw .failed("look at", path) }
        return Int(found.st_size)
    }

    func read(from start: Int, count: Int) throws(DeadLetterFileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    descriptor, buffer.baseAddress?.advanced(by: done), count - done,
                    off_t(start + done))
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw .failed("read", path) }
            if got == 0 { break }
            done += got
        }
        bytes.removeLast(count - done)
        return bytes
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(DeadLetterFileError) {
        var done = 0
        while done < bytes.count {
            let put = unsafe bytes.withUnsafeBytes { bytes in
                unsafe pwrite(
                    descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                    off_t(offset + done))
            }
            if put < 0, errno == EINTR { continue }
            guard put > 0 else { throw .failed("write", path) }
            done += put
        }
    }

    func cut(to count: Int) throws(DeadLetterFileError) {
        guard ftruncate(descriptor, off_t(count)) == 0 else { throw .failed("cut", path) }
    }

    func sync() throws(DeadLetterFileError) {
        guard fdatasync(descriptor) == 0 else { throw .failed("sync", path) }
    }
}

/// Operations on the names of files.
enum LetterFiles {
    /// Makes the folder and those above it, and syncs them to the disk.
    static func makeFolder(_ path: String) throws(DeadLetterFileError) {
        if isFolder(path) { return }
        let slash = path.lastIndex(of: "/")
        let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        if parent != path { try makeFolder(parent) }
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .failed("make", path)
        }
        try syncFolder(parent)
    }

    static func isFolder(_ path: String) -> Bool {
        var found = stat()
        return unsafe stat(path, &found) == 0 && found.st_mode & S_IFMT == S_IFDIR
    }

    /// Syncs the folder, so that a file that was made or removed in it stays so after a power cut.
    static func syncFolder(_ path: String) throws(DeadLetterFileError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .failed("sync", path) }
    }

    /// Returns the names; none when there is no such folder.
    static func names(in path: String) throws(DeadLetterFileError) -> [String] {
        guard let listing = unsafe opendir(path) else {
            if errno == ENOENT { return [] }
            throw .failed("list", path)
        }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                    unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                        unsafe String(cString: $0)
                    }
                })
        }
        return names
    }

    static func move(_ path: String, to target: String) throws(DeadLetterFileError) {
        guard unsafe rename(path, target) == 0 else { throw .failed("move", path) }
    }

    /// Removes the file. It is no error when there is none.
    static func remove(_ path: String) throws(DeadLetterFileError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .failed("remove", path) }
    }
}
