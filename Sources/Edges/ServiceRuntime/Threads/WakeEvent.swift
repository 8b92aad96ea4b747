internal import CLinux
internal import Glibc

/// Wakes a thread that sleeps in `poll` on descriptors. Several wakes are combined into one.
// Safety: holds a descriptor of its own, which lives as long as the object.
package final class WakeEvent: Sendable {
    /// Readable from a `wake` until the next `clear`. Use it for `poll` only.
    package let descriptor: Int32

    package init() throws(ServiceError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        if descriptor < 0 { throw .system(operation: "eventfd", .current) }
    }

    deinit { close(descriptor) }

    /// Any thread may call it.
    package func wake() {
        // It fails only when the counter is full, and then the descriptor is readable anyway.
        _ = eventfd_write(descriptor, 1)
    }

    /// Call it before the sleeper checks why it was woken.
    package func clear() {
        var count: eventfd_t = 0
        // It fails only when there was no wake.
        _ = unsafe eventfd_read(descriptor, &count)
    }
}
