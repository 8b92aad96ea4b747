import Foundation

/// A folder that is removed with the value that made it.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init(
        _ name: String = "tapeline", in base: String = NSTemporaryDirectory()
    ) throws {
        path = (base as NSString).appendingPathComponent("\(name)-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o755])
    }

    package func file(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: file(name), atomically: true, encoding: .utf8)
        return file(name)
    }

    deinit { remove() }

    /// Removes the folder when the test process ends. Static values have no deinit.
    @discardableResult
    package func untilExit() -> TemporaryFolder {
        AtExit.call { [self] in remove() }
        return self
    }

    /// For folders that static values hold.
    func remove() {
        guard FileManager.default.fileExists(atPath: path) else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            print("left behind: \(path): \(error)")
        }
    }
}
