import Primitives

/// One line before it is written. It renders itself in either format, within `bytesMax`.
struct LogLine {
    /// The longest line: Linux' `PIPE_BUF`. A write of at most this many bytes is never torn or
    /// mixed with another one.
    static let bytesMax = 4_096
    /// The longest single text, in bytes: enough for a database's error, and short enough for
    /// several texts in a line.
    static let textBytesMax = 1_024
    /// The longest name of a service or an event.
    static let nameBytesMax = 128
    static let fieldsMax = 64
    /// Names of the line itself. A field with such a name is written as `field.<name>`.
    static let reserved: Set<String> = ["ts", "level", "service", "event", "message"]

    let time: Timestamp
    let level: LogLevel
    let service: String
    let event: String
    let message: String
    let fields: [(String, LogValue)]

    /// Returns the line with its newline. Fields that do not fit are left out from the end, and the
    /// line contains their number.
    func rendered(as format: LogFormat) -> [UInt8] {
        var kept = min(fields.count, Self.fieldsMax)
        while true {
            let line = rendered(as: format, fieldCount: kept)
            // Without fields a line has three texts of bounded length, so it always fits.
            if line.count <= Self.bytesMax || kept == 0 { return line }
            kept -= 1
        }
    }

    private func rendered(as format: LogFormat, fieldCount: Int) -> [UInt8] {
        var shown = fields.prefix(fieldCount).map { (Self.fieldName($0.0), $0.1) }
        if fieldCount < fields.count {
            shown.append(("log.fields_omitted", LogValue(fields.count - fieldCount)))
        }
        switch format {
        case .json: return json(shown)
        case .text(let color): return text(shown, palette: Palette(isOn: color))
        }
    }

    private static func fieldName(_ name: String) -> String {
        reserved.contains(name) ? "field.\(name)" : name
    }

    // MARK: JSON

    private func json(_ shown: [(String, LogValue)]) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.object { line in
            line.member("ts", time.description)
            line.member("level", level.name)
            line.member("service", Self.clipped(service, bytesMax: Self.nameBytesMax))
            line.member("event", Self.clipped(event, bytesMax: Self.nameBytesMax))
            line.member("message", Self.clipped(message))
            for (name, value) in shown {
                line.key(name)
                switch value {
                case .text(let text): line.value(Self.clipped(text))
                case .integer(let number): line.value(number)
                case .unsigned(let number): line.value(number)
                case .real(let number): line.value(number)
                case .flag(let flag): line.value(flag)
                }
            }
        }
        var bytes = writer.bytes
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    // MARK: text

    private func text(_ shown: [(String, LogValue)], palette: Palette) -> [UInt8] {
        let clock = time.description.dropFirst(11).prefix(15)
        let levelName = level.name.uppercased()
        let padding = String(repeating: " ", count: max(0, 7 - levelName.count))
        var line = "\(palette.dim)\(clock)\(palette.off) "
        line += "\(palette.color(of: level))\(levelName)\(palette.off)\(padding) "
        let name = Self.printable(event, bytesMax: Self.nameBytesMax)
        line += "\(palette.bold)\(name)\(palette.off)  \(Self.printable(message))"
        for (name, value) in shown {
            line += "  \(palette.dim)\(Self.printable(name))=\(palette.off)\(Self.readable(value))"
        }
        return Array(line.utf8) + [UInt8(ascii: "\n")]
    }

    private static func readable(_ value: LogValue) -> String {
        switch value {
        case .text(let text):
            let plain = printable(text)
            return plain.isEmpty || plain.contains(" ") ? "\"\(plain)\"" : plain
        case .integer(let number): return String(number)
        case .unsigned(let number): return String(number)
        case .real(let number): return "\(number)"
        case .flag(let flag): return flag ? "true" : "false"
        }
    }

    // MARK: texts

    /// Returns the text, or as much of it as its limit allows with a note about the rest. The limit
    /// counts bytes as they are written, including escapes: a message of control characters must
    /// not outgrow the line.
    private static func clipped(_ text: String, bytesMax: Int = textBytesMax) -> String {
        let bytes = text.utf8
        var written = 0
        guard var end = bytes.firstIndex(where: { exceeds(bytesMax, &written, $0) }) else {
            return text
        }
        // A character is never cut in two: this steps back to the beginning of one.
        while end > bytes.startIndex, bytes[end] & 0xc0 == 0x80 { end = bytes.index(before: end) }
        let missing = bytes.distance(from: end, to: bytes.endIndex)
        return "\(text[..<end])... (\(missing) bytes more)"
    }

    private static func exceeds(_ limit: Int, _ written: inout Int, _ byte: UInt8) -> Bool {
        switch byte {
        case 0..<0x20, 0x7f: written += 6
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): written += 2
        case 0xc2: written += 5  // begins the control characters from U+0080 to U+009F
        default: written += 1
        }
        return written > limit
    }

    /// Returns the clipped text with visible control characters, so that a peer's text can neither
    /// start a new line nor control a terminal.
    private static func printable(_ text: String, bytesMax: Int = textBytesMax) -> String {
        var visible = ""
        for scalar in clipped(text, bytesMax: bytesMax).unicodeScalars {
            switch scalar {
            case "\n": visible += "\\n"
            case "\r": visible += "\\r"
            case "\t": visible += "\\t"
            case _ where scalar.properties.generalCategory == .control:
                visible += "\\u{\(String(scalar.value, radix: 16))}"
            default: visible.unicodeScalars.append(scalar)
            }
        }
        return visible
    }
}

/// The escape sequences of a terminal, or nothing.
private struct Palette {
    let isOn: Bool

    var dim: String { isOn ? "\u{1b}[2m" : "" }
    var bold: String { isOn ? "\u{1b}[1m" : "" }
    var off: String { isOn ? "\u{1b}[0m" : "" }

    func color(of level: LogLevel) -> String {
        guard isOn else { return "" }
        switch level {
        case .trace, .debug: return "\u{1b}[2m"
        case .info: return "\u{1b}[32m"
        case .warning: return "\u{1b}[33m"
        case .error: return "\u{1b}[1;31m"
        }
    }
}
