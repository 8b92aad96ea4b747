internal import Glibc

/// The room of the file system on which a folder lies.
package struct DiskRoom: Hashable, Sendable {
    /// What a process without special rights may still take.
    package let freeBytes: UInt64
    package let totalBytes: UInt64

    /// Looks at a file or folder; `nil` when the system refuses, with the reason in `errno`.
    package init?(at path: String) {
        var found = statvfs()
        // Safety: the call fills `found`.
        guard unsafe statvfs(path, &found) == 0 else { return nil }
        let size = UInt64(found.f_frsize)
        freeBytes = UInt64(found.f_bavail).multipliedReportingOverflow(by: size).partialValue
        totalBytes = UInt64(found.f_blocks).multipliedReportingOverflow(by: size).partialValue
    }

    /// Looks at a folder that may not have been made yet: then at the nearest one above it.
    package init?(aroundFolder folder: String) {
        var path = folder[...]
        while true {
            if let room = DiskRoom(at: String(path)) {
                self = room
                return
            }
            let isMissing = errno == ENOENT || errno == ENOTDIR
            guard isMissing, path != "/", path != "." else { return nil }
            guard let slash = path.lastIndex(of: "/") else {
                path = "."
                continue
            }
            path = slash == path.startIndex ? "/" : path[..<slash]
        }
    }
}

extension MetricRegistry {
    /// Adds the room of the disk on which a folder lies; `purpose` says what the folder is for.
    /// Each scrape looks at the disk.
    public func addDisk(of folder: String, purpose: String) {
        let labels = [("folder", purpose)]
        reading(
            "mds_disk_free_bytes",
            "bytes that are free on the disk of a folder to which the process may write (spool, "
                + "dead-letters), as each scrape finds it; absent where none is configured",
            "falls: [DiskFilling](runbooks/Disk.md)", labels: labels
        ) { DiskRoom(aroundFolder: folder).map { Double($0.freeBytes) } }
        reading(
            "mds_disk_size_bytes", "bytes of that disk", labels: labels
        ) { DiskRoom(aroundFolder: folder).map { Double($0.totalBytes) } }
    }
}
