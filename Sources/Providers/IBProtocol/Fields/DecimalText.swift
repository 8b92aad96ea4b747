internal import Primitives

/// A decimal number read from text: ±digits × 10^exponent. It keeps 19 digits, and of the others
/// what rounding needs.
struct DecimalText {
    enum Reading {
        case number(DecimalText)
        /// Empty, `NaN`, `Infinity`, and the numbers that mean "no value".
        case unset
        case malformed
    }

    /// The treatment of digits beyond the last one that the scale holds.
    enum Excess {
        /// Refuse the number. A number of more than 15 digits is an exception: it is a printed
        /// binary number, of which only 15 digits are certain, so the others are removed first.
        case refuse
        /// Round to the nearest, half to even: for averages and greeks, which are quotients anyway.
        case round
    }

    /// The digits that a binary number of 64 bits certainly holds.
    private static let sureDigits = 15
    private static let keptDigits = 19

    private(set) var isNegative = false
    /// The kept digits as a whole number, and the power of ten by which it is multiplied.
    private(set) var digits: UInt64 = 0
    private(set) var exponent = 0
    /// The number of digits from the first one above 0, kept or not.
    private var count = 0
    /// The first digit that was not kept, and whether a later one is above 0.
    private var next: UInt8 = 0
    private var hasMore = false

    /// Reads `[+-]digits[.digits][E[+-]digits]`; digits may be missing on one side of the dot.
    @inline(__always)
    static func read(_ bytes: RawSpan, _ range: Range<Int>) -> Reading {
        guard !range.isEmpty else { return .unset }
        var number = DecimalText()
        var place = range.lowerBound
        let first = bytes.uint8(at: place)
        if first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            number.isNegative = first == UInt8(ascii: "-")
            place += 1
        }
        var seen = 0
        var isFraction = false
        while place < range.upperBound {
            let byte = bytes.uint8(at: place)
            let digit = byte &- 0x30
            if digit <= 9 {
                number.append(digit, isFraction: isFraction)
                seen += 1
            } else if byte == UInt8(ascii: "."), !isFraction {
                isFraction = true
            } else {
                break
            }
            place += 1
        }
        if seen == 0 { return isWord(bytes, place..<range.upperBound) ? .unset : .malformed }
        if place < range.upperBound {
            guard number.readExponent(bytes, place..<range.upperBound) else { return .malformed }
        }
        return number.isUnset ? .unset : .number(number)
    }

    @inline(__always)
    private mutating func append(_ digit: UInt8, isFraction: Bool) {
        if count < Self.keptDigits {
            digits = digits &* 10 &+ UInt64(digit)
            if digits != 0 { count += 1 }
            if isFraction { exponent -= 1 }
            return
        }
        if count == Self.keptDigits { next = digit } else if digit != 0 { hasMore = true }
        count += 1
        if !isFraction { exponent += 1 }
    }

    private mutating func readExponent(_ bytes: RawSpan, _ range: Range<Int>) -> Bool {
        guard bytes.uint8(at: range.lowerBound) | 0x20 == UInt8(ascii: "e") else { return false }
        var place = range.lowerBound + 1
        guard place < range.upperBound else { return false }
        let first = bytes.uint8(at: place)
        if first == UInt8(ascii: "-") || first == UInt8(ascii: "+") { place += 1 }
        guard place < range.upperBound else { return false }
        var value = 0
        while place < range.upperBound {
            let digit = bytes.uint8(at: place) &- 0x30
            guard digit <= 9 else { return false }
            value = min(value * 10 + Int(digit), 100_000)
            place += 1
        }
        exponent += first == UInt8(ascii: "-") ? -value : value
        return true
    }

    /// Returns whether the text is one of the words that mean "no value".
    private static func isWord(_ bytes: RawSpan, _ range: Range<Int>) -> Bool {
        let text = bytes.extracting(range)
        return ["nan", "infinity", "inf"].contains { word in
            let letters = word.utf8
            guard letters.count == text.byteCount else { return false }
            return zip(letters, 0..<letters.count).allSatisfy {
                text.uint8(at: $1) | 0x20 == $0
            }
        }
    }

    /// True for the largest double, the largest `int`, and the ends of `long`.
    private var isUnset: Bool {
        if min(count, Self.keptDigits) + exponent > 300, digits != 0 { return true }
        guard exponent <= 0, digits >= 2_147_483_647 else { return false }
        guard let whole = Self.magnitude(of: self, decimals: 0, as: UInt64.self) else {
            return false
        }
        return whole == 2_147_483_647 && !isNegative
            || whole == 9_223_372_036_854_775_807
            || whole == 9_223_372_036_854_775_808 && isNegative
    }
}

// Scales the number to an integer in units of 10^-decimals.
extension DecimalText {
    /// Returns `nil` when the number exceeds 64 bits (whose largest value is "undefined"), or is
    /// too precise.
    @inline(__always)
    func scaled(to decimals: Int, _ excess: Excess) -> Int64? {
        guard let magnitude = magnitude(decimals, excess, as: UInt64.self),
            magnitude < UInt64(Int64.max)
        else { return nil }
        return isNegative ? -Int64(magnitude) : Int64(magnitude)
    }

    /// The same in 128 bits.
    func scaledWide(to decimals: Int, _ excess: Excess) -> Int128? {
        guard let magnitude = magnitude(decimals, excess, as: UInt128.self),
            magnitude < UInt128(Int128.max)
        else { return nil }
        return isNegative ? -Int128(magnitude) : Int128(magnitude)
    }

    @inline(__always)
    private func magnitude<Magnitude: FixedWidthInteger & UnsignedInteger>(
        _ decimals: Int, _ excess: Excess, as type: Magnitude.Type
    ) -> Magnitude? {
        if let exact = Self.magnitude(of: self, decimals: decimals, as: type) { return exact }
        switch excess {
        case .round:
            return rounded(to: decimals).flatMap { Magnitude(exactly: $0) }
        case .refuse:
            guard count > Self.sureDigits else { return nil }
            return Self.magnitude(of: withSureDigits(), decimals: decimals, as: type)
        }
    }

    /// Scales without any rounding.
    @inline(__always)
    private static func magnitude<Magnitude: FixedWidthInteger & UnsignedInteger>(
        of number: DecimalText, decimals: Int, as type: Magnitude.Type
    ) -> Magnitude? {
        if number.digits == 0 { return 0 }
        if number.next != 0 || number.hasMore { return nil }
        var shift = number.exponent + decimals
        var small = number.digits
        while shift < 0 {
            let (quotient, rest) = small.quotientAndRemainder(dividingBy: 10)
            guard rest == 0 else { return nil }
            small = quotient
            shift += 1
        }
        var value = Magnitude(small)
        while shift > 0 {
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            if isTooLarge { return nil }
            value = product
            shift -= 1
        }
        return value
    }

    private func withSureDigits() -> DecimalText {
        let cut = min(count, Self.keptDigits) - Self.sureDigits
        var short = DecimalText()
        short.isNegative = isNegative
        short.digits = dropping(cut)
        short.exponent = exponent + cut
        return short
    }

    private func rounded(to decimals: Int) -> UInt64? {
        let cut = -(exponent + decimals)
        // If there are no digits to cut, the number did not fit.
        guard cut > 0 || next != 0 || hasMore, cut >= 0 else { return nil }
        return dropping(cut)
    }

    /// Returns the number without the last `cut` digits, rounded to the nearest, half to even.
    private func dropping(_ cut: Int) -> UInt64 {
        var value = digits
        var last = next
        var hasRest = hasMore
        for _ in 0..<cut {
            if value == 0, last == 0 { break }
            hasRest = hasRest || last != 0
            let (quotient, rest) = value.quotientAndRemainder(dividingBy: 10)
            value = quotient
            last = UInt8(rest)
        }
        let isUp = last > 5 || last == 5 && (hasRest || value % 2 == 1)
        // The number has at most 19 digits, so adding one does not overflow.
        return isUp ? value &+ 1 : value
    }
}
