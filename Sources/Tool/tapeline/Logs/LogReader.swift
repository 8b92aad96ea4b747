/// Reads what a log has, and then what is added to it.
struct LogReader {
    /// Of a log's end at first, and in one look afterwards; what is more waits for the next look.
    static let pieceBytesMax = 1 << 20

    let process: String
    let path: String
    private var offset = 0
    /// A line that is not ended yet.
    private var rest: [UInt8] = []

    init(process: String, path: String) {
        self.process = process
        self.path = path
    }

    /// The last lines that are there, at most `count`.
    mutating func last(_ count: Int) -> [LogEntry] {
        let size = FileSystem.byteCount(of: path) ?? 0
        offset = max(0, size - Self.pieceBytesMax)
        let isWhole = offset == 0
        let entries = added()
        return Array((isWhole ? entries : Array(entries.dropFirst())).suffix(count))
    }

    /// What was added since the last look. A log that is shorter than it was begins anew.
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
        // No line of ours is so long; what has no end is no line.
        if rest.count > Self.pieceBytesMax { rest = [] }
        return entries
    }
}
