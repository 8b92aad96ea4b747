internal import CLinux

/// How the kernel says that the clock of this machine is kept.
package struct KernelClock: Hashable, Sendable {
    /// Whether a time service keeps it. Without one the kernel says no within some hours.
    package let isKept: Bool
    /// By how much it may be wrong, as the time service says.
    package let errorMicroseconds: Int64

    /// The bit of the status that says that nothing keeps it.
    private static let unsynchronized: Int32 = 0x40

    package init(isKept: Bool, errorMicroseconds: Int64) {
        self.isKept = isKept
        self.errorMicroseconds = errorMicroseconds
    }

    /// Returns `nil` where a process may not ask.
    package static func read() -> KernelClock? {
        var error = 0
        var status: Int32 = 0
        guard unsafe shim_clock_state(&error, &status) >= 0 else { return nil }
        return KernelClock(
            isKept: status & unsynchronized == 0, errorMicroseconds: Int64(error))
    }
}
