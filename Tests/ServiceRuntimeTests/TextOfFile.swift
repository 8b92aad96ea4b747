import Testing

@testable import ServiceRuntime

/// Reads a small text file. Foundation's reader leaks for an empty file or one in /proc, which
/// would hide our own leaks from the address sanitizer.
func textOfFile(_ path: String) throws -> String {
    String(decoding: try #require(readStart(of: path, bytesMax: 1 << 20)), as: UTF8.self)
}
