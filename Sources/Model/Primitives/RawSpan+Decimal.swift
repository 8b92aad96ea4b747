// Decimal numbers in text that stays where it is: subjects and answers of NATS come with every
// packet.
extension RawSpan {
    /// The number between the last `separator` before `end` and `end`, and where that separator
    /// stands: the end for the number in front of it. nil: no separator, or what is behind it is no
    /// number of 64 bits.
    @inlinable
    public func lastNumber(
        before end: Int, behind separator: UInt8
    ) -> (value: UInt64, separator: Int)? {
        guard end <= byteCount else { return nil }
        var value: UInt64 = 0
        var power: UInt64 = 1
        var offset = end - 1
        while offset >= 0 {
            let byte = uint8(at: offset)
            if byte == separator { return offset + 1 < end ? (value, offset) : nil }
            let digit = UInt64(byte &- 0x30)
            guard digit <= 9, end - offset <= 20 else { return nil }
            // Only the twentieth digit can be too much: 10^19 is in range.
            let (part, isTooLarge) = digit.multipliedReportingOverflow(by: power)
            let (sum, carry) = value.addingReportingOverflow(part)
            if isTooLarge || carry { return nil }
            value = sum
            power = power &* 10
            offset -= 1
        }
        return nil
    }

    /// Where the last `separator` before `end` stands.
    @inlinable
    public func lastIndex(of separator: UInt8, before end: Int) -> Int? {
        var offset = Swift.min(end, byteCount) - 1
        while offset >= 0 {
            if uint8(at: offset) == separator { return offset }
            offset -= 1
        }
        return nil
    }
}
