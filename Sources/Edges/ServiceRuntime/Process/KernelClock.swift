internal import CLinux

/// How the kernel says that the clock of this machine is kept.
package struct KernelClock: Hashable, Sendable {
    /// By how much it may be wrong, as the time service says.
    package let errorMicroseconds: Int64

    /// The kernel raises the error by half a millisecond a second up to here, where it begins.
    private static let errorMax: Int64 = 16_000_000

    package init(errorMicroseconds: Int64) { self.errorMicroseconds = errorMicroseconds }

    /// Whether a time service keeps it. Without one the kernel says no within nine hours. Its flag
    /// STA_UNSYNC says less: chrony leaves it set unless its configuration has `rtcsync`.
    package var isKept: Bool { errorMicroseconds < Self.errorMax }

    /// Returns `nil` where a process may not ask.
    package static func read() -> KernelClock? {
        var error = 0
        guard unsafe shim_clock_error(&error) >= 0 else { return nil }
        return KernelClock(errorMicroseconds: Int64(error))
    }
}
