// Appends numbers and times as text, digit by digit and without an intermediate `String`. Code that
// writes text per tick uses it. Each call asks the array for room once.
extension [UInt8] {
    public mutating func append(digitsOf value: Int64) {
        append(addingCapacity: 1 + Digits.count) { $0.append(digitsOf: value) }
    }

    public mutating func append(digitsOf value: UInt64) {
        append(addingCapacity: Digits.count) { $0.append(digitsOf: value) }
    }

    /// Appends exactly `count` digits, with leading zeros.
    public mutating func append(digitsOf value: UInt64, padded count: Int) {
        append(addingCapacity: count) { $0.append(digitsOf: value, padded: count) }
    }

    /// Appends value × 10^-decimals exactly, without trailing zeros; at most `decimalsMax`
    /// decimals.
    public mutating func append(decimal value: Int64, decimals: Int) {
        precondition(
            (0...Self.decimalsMax).contains(decimals), "\(decimals) decimals are too many")
        append(addingCapacity: 2 + 2 * Digits.count) {
            $0.append(decimal: value, decimals: decimals)
        }
    }

    public static var decimalsMax: Int { 18 }

    /// Appends RFC 3339 in UTC with nine decimals, as `Timestamp.description`. The caller must not
    /// pass an undefined time.
    public mutating func append(time: Timestamp) {
        append(addingCapacity: 40) { $0.append(time: time) }
    }
}

extension OutputSpan<UInt8> {
    fileprivate mutating func append(digitsOf value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(digitsOf: value.magnitude)
    }

    fileprivate mutating func append(digitsOf value: UInt64) {
        let digits = Digits(value)
        for index in digits.first..<Digits.count { append(digits[index]) }
    }

    fileprivate mutating func append(digitsOf value: UInt64, padded count: Int) {
        let digits = Digits(value)
        for _ in 0..<Swift.max(0, count - Digits.count) { append(0x30) }
        for index in Digits.count - Swift.min(count, Digits.count)..<Digits.count {
            append(digits[index])
        }
    }

    /// Appends two digits; `value` is below 100.
    private mutating func append(pair value: Int64) {
        let (tens, ones) = value.quotientAndRemainder(dividingBy: 10)
        append(0x30 &+ UInt8(truncatingIfNeeded: tens))
        append(0x30 &+ UInt8(truncatingIfNeeded: ones))
    }

    fileprivate mutating func append(decimal value: Int64, decimals: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        var scale: UInt64 = 1
        for _ in 0..<decimals { scale &*= 10 }
        let (whole, fraction) = value.magnitude.quotientAndRemainder(dividingBy: scale)
        append(digitsOf: whole)
        guard fraction > 0 else { return }
        append(UInt8(ascii: "."))
        let digits = Digits(fraction)
        var end = Digits.count
        while digits[end - 1] == 0x30 { end -= 1 }
        for index in Digits.count - decimals..<end { append(digits[index]) }
    }

    fileprivate mutating func append(time: Timestamp) {
        let perDay: Int64 = 86_400_000_000_000
        var (days, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: perDay)
        if rest < 0 {
            rest += perDay
            days -= 1
        }
        let date = CivilDate(daysSinceEpoch: days)
        append(digitsOf: UInt64(date.year.magnitude), padded: 4)
        append(UInt8(ascii: "-"))
        append(pair: date.month)
        append(UInt8(ascii: "-"))
        append(pair: date.day)
        append(UInt8(ascii: "T"))
        let seconds = rest / 1_000_000_000
        append(pair: seconds / 3_600)
        append(UInt8(ascii: ":"))
        append(pair: seconds / 60 % 60)
        append(UInt8(ascii: ":"))
        append(pair: seconds % 60)
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
