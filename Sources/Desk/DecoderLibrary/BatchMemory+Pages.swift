internal import ArrowColumns
internal import Glibc

extension BatchMemory {
    /// Memory with large pages.
    static let ofLargePages = unsafe BatchMemory { unsafe $0.allocatedLarge() }
}

extension BatchMemory.Request {
    /// Returns memory for which the kernel was asked for large pages. Where it has none, all else
    /// is the same.
    func allocatedLarge() -> UnsafeMutableRawPointer {
        let memory = unsafe allocated()
        if largeBytes > 0 { _ = unsafe madvise(memory, largeBytes, Int32(MADV_HUGEPAGE)) }
        return unsafe memory
    }

    /// Returns the same, with pages that are there already. Where the kernel cannot do that, they
    /// come when they are written.
    func allocatedTouched() -> UnsafeMutableRawPointer {
        let memory = unsafe allocatedLarge()
        if largeBytes > 0 {
            _ = unsafe madvise(memory, writtenBytes, Int32(MADV_POPULATE_WRITE))
        }
        return unsafe memory
    }
}
