import Foundation
import Testing

/// A file that is written to by its descriptor.
final class OpenFile {
    let descriptor: Int32
    private let path: String

    init(_ path: String) throws {
        self.path = path
        descriptor = unsafe open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
        try #require(descriptor >= 0)
    }

    deinit { close(descriptor) }

    var text: String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
}
