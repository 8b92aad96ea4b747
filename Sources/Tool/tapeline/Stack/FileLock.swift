internal import Glibc
import Primitives
import ServiceRuntime

/// A lock that the kernel takes back when its process ends, however it ends.
struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Nil when somebody else has held the lock for the whole of `timeout`.
    init?(_ path: String, timeout: Duration) throws(ToolError) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileSystem.failure("open", path) }
        let clock = SystemClock()
        let deadline = clock.deadline(after: timeout)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard clock.remaining(until: deadline) > .zero else { return nil }
            // The kernel has no wait with a deadline for this kind of lock.
            poll(nil, 0, 20)
        }
    }

    /// By name: a child that was forked meanwhile has the descriptor, and with it the lock, until
    /// it runs a program of its own.
    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
