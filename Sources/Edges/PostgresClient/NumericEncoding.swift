/// The server's binary form of `numeric`. It begins with four numbers of 16 bits: the number of
/// groups, the *weight* (the power of 10,000 of the first group), the sign, and the number of
/// decimals to show. Then come groups of four decimal digits. It is written as the server itself
/// writes it: no groups of zeros at either end, no trailing zeros in the decimals.
public enum NumericEncoding {
    /// The scales of a value: 10^38 is the largest power of ten below 2^127.
    public static let scaleRange = 0...38

    /// The most bytes of a value: the four numbers before the digits, and 39 digits with a point at
    /// any place. Stores may write over all of it.
    @usableFromInline static let bytesMax = 48

    /// The sign of a negative number; 0 is that of others.
    private static let negative: UInt64 = 0x4000

    /// Appends value × 10^-scale without trailing zeros, as `FixedPoint.text` writes it.
    static func append(_ value: Int128, scale: Int, to buffer: inout [UInt8]) {
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: bytesMax))
        // Safety: there are `bytesMax` bytes after `start`.
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe bytes.baseAddress.map { unsafe write(value, scale: scale, to: $0 + start) } ?? 0
        }
        buffer.removeLast(bytesMax - count)
    }

    /// Writes a value and returns the number of bytes; the caller provides `bytesMax` bytes.
    static func write(
        _ value: Int128, scale: Int, to target: UnsafeMutableRawPointer
    ) -> Int {
        precondition(scaleRange.contains(scale), "numeric scale \(scale) is out of range")
        guard let small = UInt64(exactly: value.magnitude) else {
            return unsafe writeWide(value.magnitude, isNegative: value < 0, scale, target)
        }
        return unsafe write(small, isNegative: value < 0, scale: scale, to: target)
    }

    /// Writes almost every number: all of its groups fit into two machine words. It has no loop,
    /// and divides by constants only.
    @inline(__always)
    static func write(
        _ magnitude: UInt64, isNegative: Bool, scale: Int, to target: UnsafeMutableRawPointer
    ) -> Int {
        guard magnitude != 0 else {
            unsafe target.storeBytes(of: 0, as: UInt64.self)
            return 8
        }
        // The last group after the point is filled up with zeros on its right. A 64-bit number may
        // have no room for them, so that group is split off first.
        let (rest, last) = split(magnitude, scale % 4)
        let upper = rest / 100_000_000
        let lower = UInt32(truncatingIfNeeded: rest % 100_000_000)
        let middle = UInt32(truncatingIfNeeded: upper % 100_000_000)
        let first = (upper / 100_000_000) << 48
        let second = UInt64(middle / 10_000) << 32 | UInt64(middle % 10_000) << 16
        let head = first | second | UInt64(lower / 10_000)
        let tail = UInt64(lower % 10_000) << 48 | UInt64(last) << 32

        // There are eight groups: five of `rest`, the filled one, and two that are always zero.
        let leading = groupsOfZeros(head, tail)
        let word = tail != 0 ? tail : head
        let shift = word.trailingZeroBitCount & ~15
        let final = (tail != 0 ? 7 : 3) - shift / 16
        let count = final - leading + 1
        // The number of groups of `rest` before the point; below 0 when it has more decimals than
        // digits.
        let whole = 5 - scale / 4
        let decimals = final < whole ? 0 : 4 * (final - whole + 1) - zeros(word >> shift & 0xffff)

        // Both words are shifted over the leading zeros; a shift by 64 gives 0.
        let bits = UInt64(leading * 16)
        let (one, two) =
            leading < 4
            ? (head << bits | tail >> (64 - bits), tail << bits)
            : (tail << (bits - 64), 0)
        let weight = UInt64(UInt16(truncatingIfNeeded: whole - 1 - leading))
        let front =
            UInt64(count) << 48 | weight << 32 | (isNegative ? negative << 16 : 0)
            | UInt64(decimals)
        // Safety: writes 24 of the caller's `bytesMax` bytes.
        unsafe target.storeBytes(of: front.bigEndian, as: UInt64.self)
        unsafe target.storeBytes(of: one.bigEndian, toByteOffset: 8, as: UInt64.self)
        unsafe target.storeBytes(of: two.bigEndian, toByteOffset: 16, as: UInt64.self)
        return 8 + 2 * count
    }

    /// Splits off the last `digits` digits, and fills them up to a group of four.
    @inline(__always)
    private static func split(_ magnitude: UInt64, _ digits: Int) -> (rest: UInt64, last: UInt32) {
        switch digits {
        case 0: (magnitude, 0)
        case 1: (magnitude / 10, UInt32(magnitude % 10) &* 1_000)
        case 2: (magnitude / 100, UInt32(magnitude % 100) &* 100)
        default: (magnitude / 1_000, UInt32(magnitude % 1_000) &* 10)
        }
    }

    /// Returns the number of zero groups before the first other one. Each word has four groups.
    @inline(__always)
    private static func groupsOfZeros(_ head: UInt64, _ tail: UInt64) -> Int {
        head != 0 ? head.leadingZeroBitCount / 16 : 4 + tail.leadingZeroBitCount / 16
    }

    /// Returns the number of trailing decimal zeros of a group that is not zero.
    @inline(__always)
    private static func zeros(_ group: UInt64) -> Int {
        let group = UInt32(truncatingIfNeeded: group)
        return (group % 10 == 0 ? 1 : 0) + (group % 100 == 0 ? 1 : 0)
            + (group % 1_000 == 0 ? 1 : 0)
    }

    /// Writes numbers beyond 64 bits: sums of bars. They are cut into words of 16 digits, each of
    /// which is four groups.
    @inline(never)
    private static func writeWide(
        _ magnitude: UInt128, isNegative: Bool, _ scale: Int, _ target: UnsafeMutableRawPointer
    ) -> Int {
        let power = UInt128(powers[scale % 4])
        var (rest, last) = magnitude.quotientAndRemainder(dividingBy: power)
        var groups = InlineArray<13, UInt16>(repeating: 0)
        groups[12] = UInt16(last) &* powers[(4 - scale % 4) % 4]
        var index = 12
        for _ in 0..<3 {
            let (quotient, remainder) = rest.quotientAndRemainder(
                dividingBy: 10_000_000_000_000_000)
            var digits = UInt64(remainder)
            rest = quotient
            for _ in 0..<4 {
                index -= 1
                groups[index] = UInt16(digits % 10_000)
                digits /= 10_000
            }
        }
        var first = 0
        while groups[first] == 0 { first += 1 }
        var final = 12
        while groups[final] == 0 { final -= 1 }
        let whole = 12 - scale / 4
        let decimals =
            final < whole ? 0 : 4 * (final - whole + 1) - zeros(UInt64(groups[final]))
        let weight = UInt64(UInt16(truncatingIfNeeded: whole - 1 - first))
        let count = final - first + 1
        let front =
            UInt64(count) << 48 | weight << 32 | (isNegative ? negative << 16 : 0)
            | UInt64(decimals)
        // Safety: writes 8 + 2 × 13 of the caller's `bytesMax` bytes.
        unsafe target.storeBytes(of: front.bigEndian, as: UInt64.self)
        for number in 0..<count {
            unsafe target.storeBytes(
                of: groups[first + number].bigEndian, toByteOffset: 8 + 2 * number,
                as: UInt16.self)
        }
        return 8 + 2 * count
    }

    private static let powers: InlineArray<4, UInt16> = [1, 10, 100, 1_000]
}
