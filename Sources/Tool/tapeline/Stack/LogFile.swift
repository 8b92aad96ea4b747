internal import Glibc
import Primitives

/// The log of one process. The process itself appends to it; this type bounds its size and reads
/// its last messages.
struct LogFile: Sendable {
    /// A log larger than this is set aside as `<name>.1`, replacing the previous one.
    static let bytesMax = 8 << 20
    private static let lastMessagesBytesMax = 8_192
    private static let lastMessagesShownMax = 300

    let path: String

    /// Moves a large log aside. The process keeps its descriptor, so the file cannot be renamed:
    /// its content is copied and then truncated. The few lines written in between are lost.
    func keepBounded(bytesMax: Int = LogFile.bytesMax) throws(ToolError) {
        guard let size = FileSystem.byteCount(of: path), size > bytesMax else { return }
        let kept = FileSystem.tail(of: path, bytesMax: bytesMax)
        guard unsafe truncate(path, 0) == 0 else { throw FileSystem.failure("shorten", path) }
        try FileSystem.write(kept, to: "\(path).1")
    }

    /// The present end of the log. What the process writes from here on belongs to its next run.
    var end: Int { FileSystem.byteCount(of: path) ?? 0 }

    /// Returns the last line that reports an error, else the last line that is not empty,
    /// truncated. `nil` if nothing was written after `start`. For a line of JSON this is its
    /// message.
    func lastMessages(from start: Int = 0) -> String? {
        let written = end < start ? end : end - start
        let bytes = FileSystem.tail(of: path, bytesMax: min(written, LogFile.lastMessagesBytesMax))
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        let error = lines.last { line in
            let lower = line.lowercased()
            return LogFile.errorWords.contains { lower.contains($0) }
        }
        if let error { return LogFile.words(error) }
        return lines.reversed().lazy.map(LogFile.words).first { !$0.isEmpty }
    }

    /// After its error a program often reports what it cleaned up, so the last line alone is not
    /// enough.
    private static let errorWords = ["error", "fatal", "panic", "[ftl]"]

    private static func words(_ line: Substring) -> String {
        var text = String(line)
        if text.first == "{", let document = parsedJSON(Array(text.utf8)),
            let message = document["message"]?.string
        {
            text = message
        }
        let clean = text.filter { $0.isASCII ? !($0.asciiValue.map { $0 < 32 } ?? false) : true }
        let trimmed = clean.drop { $0 == " " }
        return String(trimmed.prefix(lastMessagesShownMax))
    }
}
