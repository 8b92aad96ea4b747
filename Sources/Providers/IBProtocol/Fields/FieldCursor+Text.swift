internal import MarketModel
internal import Primitives

extension FieldCursor {
    /// Reads UTF-8. Malformed sequences become U+FFFD.
    @_lifetime(self: copy self)
    mutating func text() -> String {
        let range = next()
        return range.isEmpty ? "" : bytes.extracting(range).text
    }

    @_lifetime(self: copy self)
    mutating func bytesOfText() -> [UInt8] { bytes.extracting(next()).array }

    /// Reads a text in which `\uXXXX` stands for a character: error texts, long names.
    @_lifetime(self: copy self)
    mutating func escapedText() -> String {
        let range = next()
        let text = bytes.extracting(range)
        guard text.lastIndex(of: UInt8(ascii: "\\"), before: range.count) != nil else {
            return text.text
        }
        return UnicodeEscapes.resolved(text)
    }

    /// Reads up to eight printable ASCII characters. A longer text is cut and counted; any other
    /// byte becomes `?`.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func shortText() -> ShortText {
        let range = next()
        if range.count > ShortText.utf8CountMax { losses.texts &+= 1 }
        return Self.word(bytes, range.prefix(ShortText.utf8CountMax))
    }

    /// Does the same with sixteen characters.
    @_lifetime(self: copy self)
    mutating func marketMaker() -> MarketMaker {
        let range = next()
        if range.count > MarketMaker.utf8CountMax { losses.texts &+= 1 }
        let first = range.prefix(ShortText.utf8CountMax)
        let second = range.dropFirst(ShortText.utf8CountMax).prefix(ShortText.utf8CountMax)
        return MarketMaker(first: Self.word(bytes, first), second: Self.word(bytes, second))
    }

    @inline(__always)
    private static func word(_ bytes: RawSpan, _ range: Range<Int>) -> ShortText {
        var raw: UInt64 = 0
        var shift: UInt64 = 0
        for place in range {
            let byte = bytes.uint8(at: place)
            let isPrintable = byte >= 0x20 && byte <= 0x7e
            raw |= UInt64(isPrintable ? byte : UInt8(ascii: "?")) &<< shift
            shift += 8
        }
        return ShortText(raw: raw)
    }

    /// Reads seconds since 1970. Undefined when the field is empty or not above 0.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func seconds() -> Timestamp { time(unit: 1_000_000_000) }

    @inline(__always)
    @_lifetime(self: copy self)
    mutating func milliseconds() -> Timestamp { time(unit: 1_000_000) }

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func time(unit: Int64) -> Timestamp {
        let range = next()
        guard fault == nil, !range.isEmpty else { return .undefined }
        guard let time = Self.time(in: bytes, range, unit: unit) else {
            fail(.notATime)
            return .undefined
        }
        return time
    }

    /// Returns `nil` when the field is no time: no number, or beyond the year 2262.
    @inline(__always)
    static func time(in bytes: RawSpan, _ range: Range<Int>, unit: Int64) -> Timestamp? {
        guard let value = integer(in: bytes, range) else { return nil }
        guard value > 0 else { return .undefined }
        let (nanoseconds, isTooLarge) = value.multipliedReportingOverflow(by: unit)
        return isTooLarge || nanoseconds == Int64.max
            ? nil : Timestamp(nanoseconds: nanoseconds)
    }

    /// Reads a time in one of the forms of `ProviderTime`.
    @_lifetime(self: copy self)
    mutating func providerTime(_ reading: ProviderTime.Reading = .wall) -> ProviderTime {
        let range = next()
        guard fault == nil else { return .day(0) }
        guard let time = ProviderTime(bytes.extracting(range), reading) else {
            fail(.notATime)
            return .day(0)
        }
        return time
    }
}

/// Characters outside ASCII, as the vendor writes them in ASCII.
enum UnicodeEscapes {
    /// Resolves the escapes. Two escapes that are a surrogate pair become one character; half a
    /// pair becomes U+FFFD, as does malformed UTF-8. A backslash that begins no escape stays.
    static func resolved(_ text: RawSpan) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(text.byteCount)
        var place = 0
        while place < text.byteCount {
            guard let unit = unit(text, at: place) else {
                result.append(text.uint8(at: place))
                place += 1
                continue
            }
            place += 6
            let low = unit & 0xfc00 == 0xd800 ? self.unit(text, at: place) : nil
            if let low, low & 0xfc00 == 0xdc00 {
                place += 6
                append(0x1_0000 + (unit & 0x3ff) << 10 + low & 0x3ff, to: &result)
            } else {
                append(unit, to: &result)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func append(_ value: UInt32, to result: inout [UInt8]) {
        let scalar = Unicode.Scalar(value) ?? "\u{fffd}"
        result.append(contentsOf: Character(scalar).utf8)
    }

    /// Returns the value of an escape's four hexadecimal digits.
    private static func unit(_ text: RawSpan, at place: Int) -> UInt32? {
        guard place + 6 <= text.byteCount, text.uint8(at: place) == UInt8(ascii: "\\"),
            text.uint8(at: place + 1) == UInt8(ascii: "u")
        else { return nil }
        var value: UInt32 = 0
        for offset in 2..<6 {
            let byte = text.uint8(at: place + offset)
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                return nil
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
