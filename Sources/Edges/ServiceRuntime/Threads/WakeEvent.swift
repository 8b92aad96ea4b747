internal import CLinux
internal import Glibc

/// Wakes a thread that sleeps in `poll` on descriptors. Wakes add up to one.
// Safety: holds a descriptor of its own, which lives as long as the object.
public final class WakeEvent: Sendable {
    /// Readable from a `wake` until the next `clear`; for `poll` alone.
    public let descriptor: Int32

    public init() throws(ServiceError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        if descriptor < 0 { throw .system(operation: "eventfd", .current) }
    }

    deinit { close(descriptor) }

    /// Any thread may call it.
    public func wake() {
        // It fails only when the counter is full, and then it is readable anyway.
        _ = eventfd_write(descriptor, 1)
    }

    /// To be called before the sleeper looks at what it was woken for.
    public func clear() {
        var count: eventfd_t = 0
        // It fails only when nobody has woken anybody.
        _ = unsafe eventfd_read(descriptor, &count)
    }
}
