internal import Glibc
internal import IBEngine
internal import Primitives

/// Reads the rules of time zones from the system's files. The broker sends trading hours and daily
/// bars in local time.
enum Zones {
    private static let folder = "/usr/share/zoneinfo"
    /// The seconds before and after now for which changes are listed. Daily bars cover one year,
    /// trading hours some weeks, and the rules are read again every day.
    private static let before: Int64 = 2 * 366 * 86_400
    private static let after: Int64 = 400 * 86_400
    /// The seconds between two looks at a zone's offset. No zone changes its clocks twice in them.
    private static let step: Int64 = 86_400

    /// Returns the rules of a zone around a second since 1970, or up to a later one; `nil` when the
    /// system has no such zone, or when the text is no zone's name. The name comes from the broker,
    /// so it is checked that no file outside the zones' folder is read.
    static func rules(
        of name: String, around second: Int64, until last: Int64? = nil
    ) -> ZoneRules? {
        guard let file = read(name).flatMap({ ZoneFile($0) }) else { return nil }
        let start = second - before
        var changes: [ZoneRules.Change] = []
        var from = start
        let end = max(second, last ?? second) + after
        while from < end {
            let to = from + step
            if file.offset(at: from) != file.offset(at: to) {
                changes.append(change(file, from, to))
            }
            from = to
        }
        return ZoneRules(first: file.offset(at: start), changes: changes)
    }

    /// Returns the change between two seconds with different offsets: the first second with the
    /// later offset.
    private static func change(_ file: ZoneFile, _ from: Int64, _ to: Int64) -> ZoneRules.Change {
        let offset = file.offset(at: to)
        var (low, high) = (from, to)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if file.offset(at: middle) == offset { high = middle } else { low = middle }
        }
        return ZoneRules.Change(at: high, offset: offset)
    }

    /// Returns the bytes of a zone's file; `nil`: there is none, or it is longer than a zone's file
    /// is.
    private static func read(_ name: String) -> [UInt8]? {
        let isName = name.utf8.allSatisfy {
            (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
                || "/_+-".utf8.contains($0)
        }
        guard isName, !name.isEmpty, name.utf8.count <= 64, !name.hasPrefix("/") else { return nil }
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
        let descriptor = unsafe open("\(folder)/\(name)", flags)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: ZoneFile.bytesMax)
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes {
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: $0[filled...])
                return unsafe Glibc.read(descriptor, rest.baseAddress, rest.count)
            }
            guard count > 0 else { return count == 0 ? Array(bytes[..<filled]) : nil }
            filled += count
        }
        return nil
    }
}
