internal import Glibc
import Primitives
import ServiceRuntime

/// A file lock that the kernel releases when its process ends for any reason.
struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Returns `nil` if another process has held the lock for all of `timeout`.
    init?(_ path: String, timeout: Duration) throws(ToolError) {
        let clock = SystemClock()
        let deadline = clock.deadline(after: timeout)
        while true {
            // Who held it may have removed the folder, too.
            try FileSystem.makeFolder(FileSystem.folder(of: path))
            let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw FileSystem.failure("open", path) }
            let isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
            // Who held it may have removed the file meanwhile.
            if isLocked, Self.isOpen(file, at: path) {
                descriptor = file
                return
            }
            if isLocked { flock(file, LOCK_UN) }
            close(file)
            guard clock.remaining(until: deadline) > .zero else { return nil }
            // The kernel offers no wait with a deadline for this kind of lock.
            if !isLocked { poll(nil, 0, 20) }
        }
    }

    private static func isOpen(_ file: Int32, at path: String) -> Bool {
        var (open, named) = (stat(), stat())
        return unsafe fstat(file, &open) == 0 && stat(path, &named) == 0
            && open.st_ino == named.st_ino && open.st_dev == named.st_dev
    }

    /// Unlocks explicitly. A child that was forked meanwhile shares the descriptor, and so the
    /// lock, until it runs another program.
    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
