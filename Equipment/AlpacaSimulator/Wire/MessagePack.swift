internal import Primitives

/// The format MessagePack, as far as the venue uses it.
enum MessagePack {
    static func appendMap(_ count: Int, to bytes: inout [UInt8]) {
        appendHead(count, short: 0x80, shortMax: 15, long: 0xde, to: &bytes)
    }

    static func appendArray(_ count: Int, to bytes: inout [UInt8]) {
        appendHead(count, short: 0x90, shortMax: 15, long: 0xdc, to: &bytes)
    }

    private static func appendHead(
        _ count: Int, short: UInt8, shortMax: Int, long: UInt8, to bytes: inout [UInt8]
    ) {
        if count <= shortMax {
            bytes.append(short | UInt8(count))
        } else {
            bytes.append(long)
            append(UInt64(count), bytes: 2, to: &bytes)
        }
    }

    static func append(_ text: String, to bytes: inout [UInt8]) {
        let count = text.utf8.count
        if count < 32 {
            bytes.append(0xa0 | UInt8(count))
        } else if count < 256 {
            bytes += [0xd9, UInt8(count)]
        } else {
            bytes.append(0xda)
            append(UInt64(min(count, 65_535)), bytes: 2, to: &bytes)
        }
        bytes += text.utf8.prefix(65_535)
    }

    static func append(_ number: Int64, to bytes: inout [UInt8]) {
        let bits = UInt64(bitPattern: number)
        if (0..<128).contains(number) {
            bytes.append(UInt8(number))
        } else if (0..<1 << 32).contains(number) {
            bytes.append(0xce)
            append(bits, bytes: 4, to: &bytes)
        } else {
            bytes.append(number < 0 ? 0xd3 : 0xcf)
            append(bits, bytes: 8, to: &bytes)
        }
    }

    static func append(_ number: Double, to bytes: inout [UInt8]) {
        bytes.append(0xcb)
        append(number.bitPattern, bytes: 8, to: &bytes)
    }

    /// The extension for times, with 30 bits of nanoseconds and 34 of seconds.
    static func append(_ time: Timestamp, to bytes: inout [UInt8]) {
        let (seconds, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        bytes += [0xd7, 0xff]
        append(UInt64(rest) << 34 | UInt64(clamping: seconds), bytes: 8, to: &bytes)
    }

    private static func append(_ number: UInt64, bytes count: Int, to bytes: inout [UInt8]) {
        for place in (0..<count).reversed() {
            bytes.append(UInt8(truncatingIfNeeded: number >> (8 * UInt64(place))))
        }
    }

    /// Reads a client's message; `nil`: it is none.
    static func read(_ bytes: [UInt8]) -> JSONValue? {
        var reader = Reader(bytes: bytes[...])
        let value = reader.value(depth: 0)
        return reader.bytes.isEmpty ? value : nil
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func value(depth: Int) -> JSONValue? {
            guard depth < AlpacaLimits.messageDepthMax, let head = bytes.popFirst() else {
                return nil
            }
            if head < 0x80 { return .number("\(head)") }
            if head < 0x90 { return map(Int(head & 0xf), depth) }
            if head < 0xa0 { return array(Int(head & 0xf), depth) }
            if head < 0xc0 { return text(Int(head & 0x1f)) }
            if head >= 0xe0 { return .number("\(Int8(bitPattern: head))") }
            return long(head, depth)
        }

        private mutating func long(_ head: UInt8, _ depth: Int) -> JSONValue? {
            let plain: [UInt8: JSONValue] = [
                0xc0: .null, 0xc2: .bool(false), 0xc3: .bool(true),
            ]
            if let value = plain[head] { return value }
            // Texts, arrays and maps by the bytes of their lengths, and integers by theirs.
            if let size = [0xd9: 1, 0xda: 2, 0xdb: 4][head] {
                return number(size).flatMap { text($0) }
            }
            if let size = [0xdc: 2, 0xdd: 4][head] {
                return number(size).flatMap { array($0, depth) }
            }
            if let size = [0xde: 2, 0xdf: 4][head] {
                return number(size).flatMap { map($0, depth) }
            }
            if let size = [0xcc: 1, 0xcd: 2, 0xce: 4][head] {
                return number(size).map { .number("\($0)") }
            }
            return nil
        }

        private mutating func number(_ count: Int) -> Int? {
            guard bytes.count >= count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        }

        private mutating func text(_ count: Int) -> JSONValue? {
            guard bytes.count >= count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return .string(String(decoding: bytes.prefix(count), as: UTF8.self))
        }

        private mutating func array(_ count: Int, _ depth: Int) -> JSONValue? {
            var values: [JSONValue] = []
            // An entry has at least one byte.
            guard count <= bytes.count else { return nil }
            for _ in 0..<count {
                guard let value = value(depth: depth + 1) else { return nil }
                values.append(value)
            }
            return .array(values)
        }

        private mutating func map(_ count: Int, _ depth: Int) -> JSONValue? {
            var members: [JSONValue.Member] = []
            guard count <= bytes.count else { return nil }
            for _ in 0..<count {
                guard let key = value(depth: depth + 1)?.string,
                    let value = value(depth: depth + 1)
                else { return nil }
                members.append(JSONValue.Member(key: key, value: value))
            }
            return .object(members)
        }
    }
}
