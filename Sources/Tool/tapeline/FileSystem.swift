internal import Glibc
import ServiceRuntime

/// The file operations of the tool. The files of a stack are accessible to its user only.
enum FileSystem {
    /// The maximum size of a file that is read completely. A larger one is refused.
    static let bytesMax = 16 << 20

    /// Returns the content, or `nil` if there is no such file.
    static func read(
        _ path: String, bytesMax: Int = bytesMax
    ) throws(ToolError) -> [UInt8]? {
        var bytes: [UInt8] = []
        let isThere = try eachPiece(of: path) { piece throws(ToolError) in
            bytes += piece
            guard bytes.count <= bytesMax else {
                throw .damaged(path: path, problem: "larger than \(bytesMax >> 20) MiB")
            }
        }
        return isThere ? bytes : nil
    }

    /// Passes each complete line to the closure, without its end. The file may have any length. An
    /// unfinished last line is skipped; a line longer than `bytesMax` is refused. Returns false if
    /// there is no such file.
    static func eachLine(
        of path: String, _ body: (ArraySlice<UInt8>) -> Void
    ) throws(ToolError) -> Bool {
        var rest: [UInt8] = []
        return try eachPiece(of: path) { piece throws(ToolError) in
            rest += piece
            var start = 0
            while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                body(rest[start..<end])
                start = end + 1
            }
            rest.removeFirst(start)
            guard rest.count <= bytesMax else {
                throw .damaged(path: path, problem: "a line is larger than \(bytesMax >> 20) MiB")
            }
        }
    }

    /// Reads a file from its beginning, piece by piece. Returns false if there is no such file.
    private static func eachPiece(
        of path: String, _ body: (ArraySlice<UInt8>) throws(ToolError) -> Void
    ) throws(ToolError) -> Bool {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return false }
        guard descriptor >= 0 else { throw failure("read", path) }
        defer { close(descriptor) }
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return true }
            try body(piece[..<count])
        }
    }

    /// Returns the last bytes of a file, at most `bytesMax`. Empty if it cannot be read.
    static func tail(of path: String, bytesMax: Int) -> [UInt8] {
        piece(of: path, from: max(0, (byteCount(of: path) ?? 0) - bytesMax), bytesMax: bytesMax)
    }

    /// Returns the bytes from `offset` on, at most `bytesMax`. Empty if the file cannot be read.
    static func piece(of path: String, from offset: Int, bytesMax: Int) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = unsafe pread(descriptor, &bytes, bytesMax, off_t(offset))
        return Array(bytes[..<max(0, count)])
    }

    /// Replaces the file atomically: a reader sees the old or the new content.
    static func write(
        _ bytes: [UInt8], to path: String, mode: mode_t = 0o600
    ) throws(ToolError) {
        let temporary = "\(path).\(getpid()).new"
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("write", path) }
        let isWritten = writeAll(bytes, to: descriptor)
        let problem = failure("write", path)
        close(descriptor)
        guard isWritten else {
            unsafe unlink(temporary)
            throw problem
        }
        guard unsafe rename(temporary, path) == 0 else { throw failure("write", path) }
    }

    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Makes the folder and its missing parents.
    static func makeFolder(_ path: String, mode: mode_t = 0o755) throws(ToolError) {
        if isFolder(path) { return }
        let parent = folder(of: path)
        if parent != path { try makeFolder(parent) }
        guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else { throw failure("make", path) }
    }

    static func move(_ path: String, to new: String) throws(ToolError) {
        guard unsafe rename(path, new) == 0 else { throw failure("move", path) }
    }

    /// A missing file is not an error.
    static func removeFile(_ path: String) throws(ToolError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    /// Removes a folder with everything in it. A missing folder is not an error.
    static func removeFolder(_ path: String) throws(ToolError) {
        guard isFolder(path) else { return }
        for name in names(in: path) where name != "." && name != ".." {
            let entry = "\(path)/\(name)"
            if isFolder(entry), !isLink(entry) {
                try removeFolder(entry)
            } else if unsafe unlink(entry) != 0, errno != ENOENT {
                throw failure("remove", entry)
            }
        }
        guard unsafe rmdir(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    /// Removes a folder in which nothing is.
    static func removeEmptyFolder(_ path: String) throws(ToolError) {
        let isGone = unsafe rmdir(path) == 0
        guard isGone || [ENOENT, ENOTEMPTY, EEXIST].contains(errno) else {
            throw failure("remove", path)
        }
    }

    static func isLink(_ path: String) -> Bool {
        var target = [CChar](repeating: 0, count: 8)
        return unsafe readlink(path, &target, target.count) >= 0
    }

    static func isFolder(_ path: String) -> Bool {
        var found = stat()
        return unsafe stat(path, &found) == 0 && found.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    static func isExecutable(_ path: String) -> Bool {
        unsafe access(path, X_OK) == 0 && !isFolder(path)
    }

    /// Returns the size, or `nil` if there is no such file.
    static func byteCount(of path: String) -> Int? {
        var found = stat()
        return unsafe stat(path, &found) == 0 ? Int(found.st_size) : nil
    }

    /// Returns the parent folder: "/a/b" for "/a/b/c".
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Returns the path with links and dots resolved, or `nil` if it does not exist.
    static func resolved(_ path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    static func freeMegabytes(at path: String) throws(ToolError) -> Int {
        guard let room = DiskRoom(at: path) else { throw failure("look at the disk of", path) }
        return Int(room.freeBytes >> 20)
    }

    static func failure(_ operation: String, _ path: String) -> ToolError {
        .file(operation: operation, path: path, SystemErrorCode(rawValue: errno))
    }
}

extension FileSystem {
    /// Returns exactly `count` bytes from the start of a file or device, or `nil` if it has fewer.
    static func readSome(_ path: String, count: Int) throws(ToolError) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("read", path) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: count)
        return unsafe Glibc.read(descriptor, &bytes, count) == count ? bytes : nil
    }
}

extension FileSystem {
    /// Returns the names in a folder. Empty if it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let listing = unsafe opendir(folder) else { return [] }
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
        return names
    }
}

extension FileSystem {
    /// The folders of ended processes that one process removes.
    private static let leftFoldersMax = 100

    /// Makes a folder among the temporary ones, which nobody else can write to. Removes those of
    /// the same purpose that killed processes have left.
    static func makeTemporaryFolder(
        _ purpose: String, _ environment: [String: String]
    ) throws(ToolError) -> String {
        let parent = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        removeLeft(in: parent, "tapeline-\(purpose)-")
        var pattern = Array("\(parent)/tapeline-\(purpose)-\(getpid())-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&pattern) else {
            throw failure("make a folder in", parent)
        }
        return unsafe String(cString: made)
    }

    /// Folders that cannot be removed are of others, or are removed next time.
    private static func removeLeft(in parent: String, _ prefix: String) {
        let left = names(in: parent).filter { name in
            let parts = name.dropFirst(prefix.count).split(separator: "-")
            guard name.hasPrefix(prefix), parts.count == 2, parts[1].count == 6,
                let process = pid_t(parts[0]), process > 1
            else { return false }
            return kill(process, 0) != 0 && errno == ESRCH && isOwn("\(parent)/\(name)")
        }
        for name in left.prefix(leftFoldersMax) {
            do throws(ToolError) {
                try removeFolder("\(parent)/\(name)")
            } catch {
                continue
            }
        }
    }

    private static func isOwn(_ path: String) -> Bool {
        var found = stat()
        return unsafe lstat(path, &found) == 0 && found.st_mode & S_IFMT == S_IFDIR
            && found.st_uid == getuid()
    }

    /// Runs the closure with such a folder, and removes it with what is in it.
    static func withTemporaryFolder<Outcome>(
        _ purpose: String, _ environment: [String: String],
        _ body: (String) throws(ToolError) -> Outcome
    ) throws(ToolError) -> Outcome {
        let folder = try makeTemporaryFolder(purpose, environment)
        let result = Result { () throws(ToolError) in try body(folder) }
        try removeFolder(folder)
        return try result.get()
    }
}
