internal import Glibc

/// What a crash may write into a core file. The memory of a process has its secrets, and a core
/// file is often kept, or sent to others.
package enum CoreDumps {
    /// What the kernel dumps if nobody says otherwise: anonymous and huge memory, ELF headers.
    private static let usualFilter = "0x33"
    private static let filterPath = "/proc/self/coredump_filter"

    /// Forbids core files, for this process and those that it starts, until `settle`. Call it
    /// before a secret is read.
    ///
    /// The limit alone is not enough: the kernel disregards it when it hands a core to a program
    /// (`core_pattern` with a pipe). With the filter, such a core has registers and no memory. Both
    /// leave `/proc/<pid>` readable to the user, which `PR_SET_DUMPABLE` does not.
    package static func forbid() {
        setLimit { $0.rlim_cur = 0 }
        setFilter("0x0")
    }

    /// Allows core files as large as the process may write, or forbids them for good.
    static func settle(isAllowed: Bool) {
        guard isAllowed else { return setLimit { $0.rlim_max = 0 } }
        setLimit { $0.rlim_cur = $0.rlim_max }
        setFilter(usualFilter)
    }

    /// Lowering a limit never fails, and raising the soft one is always allowed.
    private static func setLimit(_ change: (inout rlimit) -> Void) {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_CORE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        change(&limit)
        _ = unsafe setrlimit(resource, &limit)
    }

    /// A kernel without core files does not have the file, and needs no filter.
    private static func setFilter(_ text: String) {
        let descriptor = unsafe open(filterPath, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    }
}
