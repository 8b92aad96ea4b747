/// Reads the content of a log, and then what is appended to it.
struct LogReader {
    /// The most bytes read at first from the log's end, and per call afterwards. The rest waits for
    /// the next call.
    static let pieceBytesMax = 1 << 20

    let process: String
    let path: String
    private(set) var offset = 0
    /// The last line, as long as it is incomplete.
    private(set) var rest: [UInt8] = []

    /// Returns the last lines, at most `count`.
    mutating func last(_ count: Int) -> [LogEntry] {
        let size = FileSystem.byteCount(of: path) ?? 0
        offset = max(0, size - Self.pieceBytesMax)
        let isWhole = offset == 0
        let entries = added()
        return Array((isWhole ? entries : Array(entries.dropFirst())).suffix(count))
    }

    /// Returns the lines appended since the last call. A log that has become shorter is read from
    /// its beginning.
    mutating func added() -> [LogEntry] {
        let size = FileSystem.byteCount(of: path) ?? 0
        if size < offset { (offset, rest) = (0, []) }
        let piece = FileSystem.piece(of: path, from: offset, bytesMax: Self.pieceBytesMax)
        offset += piece.count
        rest += piece
        var entries: [LogEntry] = []
        var start = 0
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[start..<end], as: UTF8.self)
            if !line.isEmpty { entries.append(LogEntry(process: process, line: line)) }
            start = end + 1
        }
        rest.removeFirst(start)
        // Our lines are never this long, so this is not a log line.
        if rest.count > Self.pieceBytesMax { rest = [] }
        return entries
    }
}
