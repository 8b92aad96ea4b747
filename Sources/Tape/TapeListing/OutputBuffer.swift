internal import Glibc
package import MarketModel
package import Primitives

/// Collects bytes for standard output and writes them once per batch.
///
/// Numbers and times are written digit by digit, without a `String` in between, because a tail has
/// to keep up with the tape.
package struct OutputBuffer {
    /// A larger buffer is written in the middle of a batch.
    package static let bytesMax = 256 * 1_024

    package private(set) var bytes: [UInt8] = []
    private let descriptor: Int32
    /// The error after which nothing more is written: the reader of the pipe has closed it, or the
    /// disk is full.
    package private(set) var failure: Int32?
    /// The last day written and its text, because most times share it.
    private var day = Int64.min
    private var dayText: [UInt8] = []

    package init(descriptor: Int32 = 1, capacity: Int = bytesMax + 16 * 1_024) {
        self.descriptor = descriptor
        bytes.reserveCapacity(capacity)
    }

    package var isGone: Bool { failure != nil }

    package mutating func flush() {
        var done = 0
        while done < bytes.count, failure == nil {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0 {
                if errno != EINTR { failure = errno }
                continue
            }
            done += count
        }
        bytes.removeAll(keepingCapacity: true)
    }

    package mutating func flushIfLarge() { if bytes.count >= Self.bytesMax { flush() } }

    /// Notices a closed pipe while there is nothing to write.
    package mutating func look() {
        var poll = pollfd(fd: descriptor, events: 0, revents: 0)
        if unsafe Glibc.poll(&poll, 1, 0) > 0, poll.revents & Int16(POLLERR) != 0 {
            failure = EPIPE
        }
    }

    // MARK: text

    package mutating func byte(_ byte: UInt8) { bytes.append(byte) }
    /// Copies the text in one piece. Appending byte by byte would take half of a tail's time.
    package mutating func text(_ text: String) {
        let isDone: Void? = unsafe text.utf8.withContiguousStorageIfAvailable {
            unsafe bytes.append(contentsOf: $0)
        }
        if isDone == nil { bytes.append(contentsOf: text.utf8) }
    }

    package mutating func padded(_ text: String, to width: Int) {
        bytes.append(contentsOf: text.utf8)
        for _ in 0..<max(0, width - text.count) { bytes.append(0x20) }
    }

    package mutating func blanks(upTo column: Int, from start: Int) {
        let missing = column - (bytes.count - start)
        if missing > 0 { for _ in 0..<missing { bytes.append(0x20) } }
    }

    // MARK: numbers

    package mutating func integer(_ value: Int64) { bytes.append(digitsOf: value) }

    package mutating func unsigned(_ value: UInt64) { bytes.append(digitsOf: value) }

    /// Writes an exact decimal without trailing zeros, with at most 18 decimals.
    package mutating func decimal(_ value: Int64, decimals: Int) {
        bytes.append(decimal: value, decimals: decimals)
    }

    /// Writes the time by RFC 3339 in UTC, with nine decimals.
    package mutating func time(_ time: Timestamp, separator: UInt8 = UInt8(ascii: "T")) {
        let perDay: Int64 = 86_400_000_000_000
        var (days, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: perDay)
        if rest < 0 {
            rest += perDay
            days -= 1
        }
        if days != day {
            day = days
            dayText = Array(CivilDate(daysSinceEpoch: days).description.utf8)
        }
        bytes.append(contentsOf: dayText)
        bytes.append(separator)
        let seconds = UInt64(rest / 1_000_000_000)
        bytes.append(digitsOf: seconds / 3_600, padded: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(digitsOf: seconds / 60 % 60, padded: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(digitsOf: seconds % 60, padded: 2)
        bytes.append(UInt8(ascii: "."))
        bytes.append(digitsOf: UInt64(rest % 1_000_000_000), padded: 9)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// Writes the text as printable ASCII. `escaping` makes it safe inside a JSON string.
    package mutating func short(_ text: ShortText, escaping: Bool) {
        var rest = text.raw
        while rest != 0 {
            let byte = UInt8(truncatingIfNeeded: rest)
            rest >>= 8
            let isPrintable = (0x20...0x7e).contains(byte)
            if escaping, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                bytes.append(UInt8(ascii: "\\"))
            }
            bytes.append(isPrintable ? byte : UInt8(ascii: "?"))
        }
    }

    // MARK: escapes

    /// Writes a JSON string with its quotes.
    package mutating func jsonString(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        let isPlain = text.utf8.allSatisfy {
            $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        if isPlain {
            self.text(text)
            bytes.append(UInt8(ascii: "\""))
            return
        }
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            } else if byte < 0x20 {
                let hex = Array("0123456789abcdef".utf8)
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(hex[Int(byte >> 4)])
                bytes.append(hex[Int(byte & 15)])
            } else {
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a field by RFC 4180, quoted if necessary.
    package mutating func csvField(_ text: String) {
        let isPlain = text.utf8.allSatisfy { $0 != 0x22 && $0 != 0x2c && $0 != 0x0a && $0 != 0x0d }
        guard !isPlain else { return self.text(text) }
        bytes.append(0x22)
        for byte in text.utf8 {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }

    /// Writes a line of CSV. What is NULL is an empty field, and an empty text is one in quotes, as
    /// PostgreSQL writes them.
    package mutating func csvLine(_ fields: [String?]) {
        for (place, field) in fields.enumerated() {
            if place > 0 { byte(UInt8(ascii: ",")) }
            guard let field else { continue }
            if field.isEmpty { text("\"\"") } else { csvField(field) }
        }
        text("\r\n")
        flushIfLarge()
    }

    /// Writes text for a terminal, without control sequences from outside.
    package mutating func plain(_ text: String) {
        for scalar in text.unicodeScalars {
            if scalar.properties.generalCategory == .control {
                bytes.append(UInt8(ascii: "?"))
            } else {
                bytes.append(contentsOf: String(scalar).utf8)
            }
        }
    }
}
