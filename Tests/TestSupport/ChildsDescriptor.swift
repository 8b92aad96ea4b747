import Glibc

/// Another descriptor of a file that this process has open, like the one that a child has from its
/// fork until it runs another program.
package struct ChildsDescriptor: ~Copyable {
    private let descriptor: Int32

    /// Fails if the process does not have the file open.
    package init(of path: String) throws {
        descriptor = try Self.duplicate(path)
    }

    deinit { close(descriptor) }

    private static let descriptorsMax: Int32 = 4_096

    private static func duplicate(_ path: String) throws -> Int32 {
        var wanted = stat()
        guard unsafe stat(path, &wanted) == 0 else {
            throw TestServerFailure(description: "\(path) is not there")
        }
        let open = (0..<descriptorsMax).first { number in
            var found = stat()
            return unsafe fstat(number, &found) == 0 && found.st_ino == wanted.st_ino
                && found.st_dev == wanted.st_dev
        }
        guard let open else {
            throw TestServerFailure(description: "nobody has \(path) open")
        }
        let other = fcntl(open, F_DUPFD_CLOEXEC, 0)
        guard other >= 0 else {
            throw TestServerFailure(description: "\(path) cannot be opened once more")
        }
        return other
    }
}
