internal import Glibc

/// The files `migrations/*.sql` and `repeatable/*.sql` of a folder (`deploy/postgres`), as read
/// once.
package struct MigrationFolder: Sendable {
    /// The maximum size of a file. With a larger one, or more files, the path is a wrong one.
    package static let fileBytesMax = 1_024 * 1_024
    package static let filesMax = 1_000

    /// The files that are applied once, in the order of their names.
    package let versioned: [MigrationFile]
    /// The files that are applied by every run, in the order of their names.
    package let repeatable: [MigrationFile]

    package init(path: String) throws(MigrationError) {
        versioned = try Self.files(in: "\(path)/migrations")
        repeatable = try Self.files(in: "\(path)/repeatable")
        if versioned.isEmpty {
            throw .unreadable(path: "\(path)/migrations", reason: "it holds no .sql file")
        }
    }

    private static func files(in folder: String) throws(MigrationError) -> [MigrationFile] {
        var files: [MigrationFile] = []
        for name in try names(in: folder).sorted() where name.hasSuffix(".sql") {
            files.append(MigrationFile(name: name, sql: try text(of: "\(folder)/\(name)")))
        }
        return files
    }

    private static func names(in folder: String) throws(MigrationError) -> [String] {
        guard let stream = unsafe opendir(folder) else { throw problem(folder) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            // Safety: the kernel ends the name with a zero inside of its array.
            names.append(
                unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
            guard names.count <= filesMax else {
                throw .unreadable(path: folder, reason: "it holds more than \(filesMax) files")
            }
        }
        return names
    }

    private static func text(of path: String) throws(MigrationError) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw problem(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { raw in
                unsafe read(descriptor, raw.baseAddress, raw.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(path) }
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= fileBytesMax else {
                throw .unreadable(path: path, reason: "it is larger than \(fileBytesMax) bytes")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .unreadable(path: path, reason: "it is not UTF-8")
        }
        return text
    }

    private static func problem(_ path: String) -> MigrationError {
        .unreadable(path: path, reason: unsafe String(cString: strerror(errno)))
    }
}
