import Glibc

/// What distinguishes the files of TLS from those that stood there before.
struct TLSFileState: Equatable, Sendable {
    private struct File: Equatable {
        let inode: UInt
        let bytes: Int
        let seconds: Int
        let nanoseconds: Int

        /// `nil`: there is none.
        init?(_ path: String) {
            var found = stat()
            // Safety: the call fills `found`.
            guard unsafe stat(path, &found) == 0 else { return nil }
            (inode, bytes) = (UInt(found.st_ino), Int(found.st_size))
            (seconds, nanoseconds) = (found.st_mtim.tv_sec, found.st_mtim.tv_nsec)
        }
    }

    private let files: [File?]

    /// Looks at the files. Without TLS there are none.
    init(_ tls: NatsConfiguration.TLS?) {
        let paths = [tls?.caFile, tls?.certFile, tls?.keyFile].compactMap(\.self)
        files = paths.map { File($0) }
    }
}
