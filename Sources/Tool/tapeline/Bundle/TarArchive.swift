/// Files as one archive in the format that POSIX calls ustar. Pure.
struct TarArchive: Sendable {
    static let nameBytesMax = 100
    private static let block = 512
    /// A size has eleven octal digits.
    static let fileBytesMax = (1 << 33) - 1

    private(set) var bytes: [UInt8] = []

    /// Adds a file that its owner alone may read. `seconds` is its time since 1970.
    mutating func add(_ name: String, _ content: [UInt8], seconds: Int64) {
        precondition(
            !name.isEmpty && name.utf8.count <= Self.nameBytesMax
                && content.count <= Self.fileBytesMax,
            "\(name) with \(content.count) bytes does not fit into an archive")
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        put(name, at: 0)
        put(Self.octal(0o600, 7), at: 100)
        put(Self.octal(0, 7), at: 108)
        put(Self.octal(0, 7), at: 116)
        put(Self.octal(UInt64(content.count), 11), at: 124)
        put(Self.octal(UInt64(clamping: max(0, min(seconds, 1 << 32))), 11), at: 136)
        // The checksum counts its own place as blanks.
        put(String(repeating: " ", count: 8), at: 148)
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        let sum = header.reduce(UInt64(0)) { $0 + UInt64($1) }
        put(Self.octal(sum, 6), at: 148)
        header[154] = 0
        bytes += header + content
        bytes += [UInt8](repeating: 0, count: Self.rest(content.count))
    }

    /// The archive with its end: two empty blocks.
    var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.block) }

    private static func rest(_ count: Int) -> Int { (block - count % block) % block }

    private static func octal(_ number: UInt64, _ digits: Int) -> String {
        let text = String(number, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
