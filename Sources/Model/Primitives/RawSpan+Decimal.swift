// Reads decimal numbers from text without copying it: subjects and answers of NATS come with every
// packet.
extension RawSpan {
    /// Returns the number between the last `separator` before `end` and `end`, and the position of
    /// that separator, which is the end of the number before it. Returns `nil` when there is no
    /// separator, or when the text after it is not a number of 64 bits.
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
            // Only the twentieth digit can overflow: 10^19 is in range.
            let (part, isTooLarge) = digit.multipliedReportingOverflow(by: power)
            let (sum, carry) = value.addingReportingOverflow(part)
            if isTooLarge || carry { return nil }
            value = sum
            power = power &* 10
            offset -= 1
        }
        return nil
    }

    /// Returns the position of the last `separator` before `end`.
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
