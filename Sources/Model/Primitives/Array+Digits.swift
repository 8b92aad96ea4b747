// Appends numbers and times as text, digit by digit and without an intermediate `String`. Code that
// writes text per tick uses it.
extension [UInt8] {
    public mutating func append(digitsOf value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(digitsOf: value.magnitude)
    }

    public mutating func append(digitsOf value: UInt64) {
        let digits = Digits(value)
        for index in digits.first..<Digits.count { append(digits[index]) }
    }

    /// Appends exactly `count` digits, with leading zeros.
    public mutating func append(digitsOf value: UInt64, padded count: Int) {
        let digits = Digits(value)
        for _ in 0..<Swift.max(0, count - Digits.count) { append(0x30) }
        for index in Digits.count - Swift.min(count, Digits.count)..<Digits.count {
            append(digits[index])
        }
    }

    /// Appends value × 10^-decimals exactly, without trailing zeros; at most `decimalsMax`
    /// decimals.
    public mutating func append(decimal value: Int64, decimals: Int) {
        precondition(
            (0...Self.decimalsMax).contains(decimals), "\(decimals) decimals are too many")
        if value < 0 { append(UInt8(ascii: "-")) }
        var scale: UInt64 = 1
        for _ in 0..<decimals { scale &*= 10 }
        let (whole, fraction) = value.magnitude.quotientAndRemainder(dividingBy: scale)
        append(digitsOf: whole)
        guard fraction > 0 else { return }
        append(UInt8(ascii: "."))
        append(digitsOf: fraction, padded: decimals)
        while last == 0x30 { removeLast() }
    }

    public static var decimalsMax: Int { 18 }

    /// Appends RFC 3339 in UTC with nine decimals, as `Timestamp.description`. The caller must not
    /// pass an undefined time.
    public mutating func append(time: Timestamp) {
        let perDay: Int64 = 86_400_000_000_000
        var (days, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: perDay)
        if rest < 0 {
            rest += perDay
            days -= 1
        }
        let date = CivilDate(daysSinceEpoch: days)
        append(digitsOf: UInt64(date.year.magnitude), padded: 4)
        append(UInt8(ascii: "-"))
        append(digitsOf: UInt64(date.month.magnitude), padded: 2)
        append(UInt8(ascii: "-"))
        append(digitsOf: UInt64(date.day.magnitude), padded: 2)
        append(UInt8(ascii: "T"))
        let seconds = UInt64(rest / 1_000_000_000)
        append(digitsOf: seconds / 3_600, padded: 2)
        append(UInt8(ascii: ":"))
        append(digitsOf: seconds / 60 % 60, padded: 2)
        append(UInt8(ascii: ":"))
        append(digitsOf: seconds % 60, padded: 2)
        append(UInt8(ascii: "."))
        append(digitsOf: UInt64(rest % 1_000_000_000), padded: 9)
        append(UInt8(ascii: "Z"))
    }
}

/// The digits of a number, on the stack. Reversing a part of an array in place would copy it to the
/// heap.
private struct Digits {
    static let count = 20
    private var bytes = InlineArray<20, UInt8>(repeating: 0x30)
    /// The index of the number's first digit; the digits before it are zeros.
    private(set) var first = Digits.count

    @inline(__always)
    init(_ value: UInt64) {
        var rest = value
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            first -= 1
            bytes[first] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        } while rest > 0
    }

    @inline(__always)
    subscript(index: Int) -> UInt8 { bytes[index] }
}
