/// Exact decimals as integers of a fixed scale. Reading and writing text round nothing.
public enum FixedPoint {
    public enum ParseError: Error, Equatable, Sendable {
        case notANumber
        /// More decimals than the scale holds: storing it would round.
        case tooPrecise
        case outOfRange
    }

    /// The longest text that is parsed. Markets send no longer number.
    public static let textBytesMax = 64

    /// Reads `[+-]digits[.digits][e[+-]digits]` exactly; digits may be missing on one side of the
    /// dot (`.5`, `5.`), as some providers write them. Anything else is refused.
    public static func parse(_ text: String, decimals: Int) throws(ParseError) -> Int64 {
        try Array(text.utf8.prefix(textBytesMax + 1)).withRawSpan { bytes throws(ParseError) in
            try parse(bytes, decimals: decimals)
        }
    }

    /// The same of bytes, without a copy: allocates nothing.
    public static func parse(_ bytes: RawSpan, decimals: Int) throws(ParseError) -> Int64 {
        guard !bytes.isEmpty, bytes.byteCount <= textBytesMax else { throw .notANumber }
        if let value = plain(bytes, decimals: decimals) { return value }
        var scanner = DecimalScanner()
        let number = try scanner.scan(bytes)
        // Int64.max is the sentinel for "undefined" and no number.
        let value = try number.scaled(
            to: decimals, in: Int128(Int64.min)..<Int128(Int64.max))
        return Int64(value)
    }

    /// The largest value of `parseWide`, either sign: what 38 digits hold, as databases do.
    public static let wideMax: Int128 = 99_999_999_999_999_999_999_999_999_999_999_999_999

    /// The same for numbers beyond 64 bits, as sums of sizes are.
    public static func parseWide(_ bytes: RawSpan, decimals: Int) throws(ParseError) -> Int128 {
        guard !bytes.isEmpty, bytes.byteCount <= textBytesMax else { throw .notANumber }
        var scanner = DecimalScanner()
        let number = try scanner.scan(bytes)
        return try number.scaled(to: decimals, in: -wideMax..<wideMax + 1)
    }

    /// The digits that are certainly in range before any scaling.
    private static let plainDigitsMax = 18

    /// Returns the number of a text like `12.50` with few digits, as nearly all are; `nil`: the
    /// scanner has to look at it.
    private static func plain(_ bytes: RawSpan, decimals: Int) -> Int64? {
        var value: Int64 = 0
        var digits = 0
        var fraction = -1
        for place in 0..<bytes.byteCount {
            let byte = bytes.uint8(at: place)
            if byte == UInt8(ascii: "."), fraction < 0 {
                fraction = 0
                continue
            }
            let digit = byte &- 0x30
            guard digit <= 9 else { return nil }
            // A zero beyond the scale changes nothing; any other digit there is an error.
            if fraction >= decimals {
                guard digit == 0 else { return nil }
                continue
            }
            digits += 1
            guard digits <= plainDigitsMax else { return nil }
            value = value &* 10 &+ Int64(digit)
            if fraction >= 0 { fraction += 1 }
        }
        guard digits > 0 else { return nil }
        for _ in max(0, fraction)..<max(decimals, max(0, fraction)) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow, product != Int64.max else { return nil }
            value = product
        }
        return value
    }

    /// The shortest exact text: no trailing zeros, no dot for whole numbers.
    public static func text(_ value: Int128, decimals: Int) -> String {
        let digits = String(value.magnitude)
        let padding = String(repeating: "0", count: max(0, decimals + 1 - digits.count))
        let all = padding + digits
        let whole = all.dropLast(decimals)
        var fraction = all.suffix(decimals)
        while fraction.last == "0" { fraction.removeLast() }
        let sign = value < 0 ? "-" : ""
        return fraction.isEmpty ? "\(sign)\(whole)" : "\(sign)\(whole).\(fraction)"
    }

    public static func text(_ value: Int64, decimals: Int) -> String {
        text(Int128(value), decimals: decimals)
    }
}

/// sign × mantissa × 10^exponent.
private struct ScannedDecimal {
    var negative = false
    var mantissa: Int128 = 0
    var exponent = 0

    /// Returns the number in units of 10^-decimals.
    func scaled(
        to decimals: Int, in range: Range<Int128>
    ) throws(FixedPoint.ParseError) -> Int128 {
        if mantissa == 0 { return 0 }
        var value = mantissa
        var shift = exponent + decimals
        while shift < 0 {
            guard value % 10 == 0 else { throw .tooPrecise }
            value /= 10
            shift += 1
        }
        while shift > 0 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow, product <= range.upperBound + 1 else { throw .outOfRange }
            value = product
            shift -= 1
        }
        let signed = negative ? -value : value
        guard range.contains(signed) else { throw .outOfRange }
        return signed
    }
}

private struct DecimalScanner {
    private var index = 0
    /// Zeros that were read but not added yet. They are added only when another digit follows, so
    /// that `1.000…` is exact however long it is.
    private var pendingZeros = 0

    private func next(_ bytes: RawSpan) -> UInt8? {
        index < bytes.byteCount ? bytes.uint8(at: index) : nil
    }

    mutating func scan(_ bytes: RawSpan) throws(FixedPoint.ParseError) -> ScannedDecimal {
        var number = ScannedDecimal()
        number.negative = sign(bytes)
        var digits = try mantissa(bytes, into: &number, tooLong: .outOfRange)
        if next(bytes) == UInt8(ascii: ".") {
            index += 1
            let fraction = try mantissa(bytes, into: &number, tooLong: .tooPrecise)
            digits += fraction
            number.exponent = -fraction
        }
        number.exponent += pendingZeros
        guard digits > 0 else { throw .notANumber }
        if next(bytes) == UInt8(ascii: "e") || next(bytes) == UInt8(ascii: "E") {
            index += 1
            number.exponent += try exponent(bytes)
        }
        guard index == bytes.byteCount else { throw .notANumber }
        return number
    }

    private mutating func sign(_ bytes: RawSpan) -> Bool {
        guard next(bytes) == UInt8(ascii: "-") || next(bytes) == UInt8(ascii: "+") else {
            return false
        }
        defer { index += 1 }
        return next(bytes) == UInt8(ascii: "-")
    }

    /// Appends the digits at the current position and returns how many there were.
    private mutating func mantissa(
        _ bytes: RawSpan, into number: inout ScannedDecimal, tooLong: FixedPoint.ParseError
    ) throws(FixedPoint.ParseError) -> Int {
        let start = index
        while let byte = next(bytes), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            index += 1
            pendingZeros += 1
            guard byte != UInt8(ascii: "0") else { continue }
            while pendingZeros > 0 {
                let (tens, overflow) = number.mantissa.multipliedReportingOverflow(by: 10)
                guard !overflow, tens < Int128.max - 10 else { throw tooLong }
                number.mantissa = tens
                pendingZeros -= 1
            }
            number.mantissa += Int128(byte - UInt8(ascii: "0"))
        }
        return index - start
    }

    private mutating func exponent(_ bytes: RawSpan) throws(FixedPoint.ParseError) -> Int {
        let negative = sign(bytes)
        let start = index
        var value = 0
        while let byte = next(bytes), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1_000)
            index += 1
        }
        guard index > start else { throw .notANumber }
        return negative ? -value : value
    }
}
