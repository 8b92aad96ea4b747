internal import Glibc
import Primitives

/// The log of one process. The process itself appends to it; this keeps it bounded and reads its
/// last words.
struct LogFile: Sendable {
    /// A log beyond this is set aside as `<name>.1`, in place of the one before.
    static let bytesMax = 8 << 20
    private static let lastWordsBytesMax = 8_192
    private static let lastWordsShownMax = 300

    let path: String

    /// The process keeps its descriptor, so the file cannot be renamed under it: its content is
    /// copied and cut off. Lines that are written in between are lost; they are few.
    func keepBounded(bytesMax: Int = LogFile.bytesMax) throws(ToolError) {
        guard let size = FileSystem.byteCount(of: path), size > bytesMax else { return }
        let kept = FileSystem.tail(of: path, bytesMax: bytesMax)
        guard unsafe truncate(path, 0) == 0 else { throw FileSystem.failure("shorten", path) }
        try FileSystem.write(kept, to: "\(path).1")
    }

    /// Where the log ends now: what a process says from here on is its own.
    var end: Int { FileSystem.byteCount(of: path) ?? 0 }

    /// The last line that speaks of an error, else the last line that says something, cut short;
    /// nil when nothing was written behind `start`. Of a line of JSON the message is what counts.
    func lastWords(from start: Int = 0) -> String? {
        let written = end < start ? end : end - start
        let bytes = FileSystem.tail(of: path, bytesMax: min(written, LogFile.lastWordsBytesMax))
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        let error = lines.last { line in
            let lower = line.lowercased()
            return LogFile.errorWords.contains { lower.contains($0) }
        }
        if let error { return LogFile.words(error) }
        return lines.reversed().lazy.map(LogFile.words).first { !$0.isEmpty }
    }

    /// After its error a program often says what it tidied up.
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
        return String(trimmed.prefix(lastWordsShownMax))
    }
}
