internal import Glibc
import Primitives
import ServiceRuntime

/// A file lock that the kernel releases when its process ends for any reason.
struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Returns `nil` if another process has held the lock for all of `timeout`.
    init?(_ path: String, timeout: Duration) throws(ToolError) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileSystem.failure("open", path) }
        let clock = SystemClock()
        let deadline = clock.deadline(after: timeout)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard clock.remaining(until: deadline) > .zero else { return nil }
            // The kernel offers no wait with a deadline for this kind of lock.
            poll(nil, 0, 20)
        }
    }

    /// Unlocks explicitly. A child that was forked meanwhile shares the descriptor, and so the
    /// lock, until it runs another program.
    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
