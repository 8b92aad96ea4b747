/// The server's binary form of `numeric`: groups of four decimal digits, the place of the first
/// group, sign, and the number of decimals to show.
public enum NumericEncoding {
    /// 10^38 is the largest power of ten below 2^127.
    public static let scaleRange = 0...38

    private static let negative: UInt16 = 0x4000

    /// Appends value × 10^-scale without trailing zeros, as `FixedPoint.text` writes it.
    static func append(_ value: Int128, scale: Int, to buffer: inout [UInt8]) {
        precondition(scaleRange.contains(scale), "numeric scale \(scale) is out of range")
        if let small = UInt64(exactly: value.magnitude) {
            append(small, negative: value < 0, scale: scale, to: &buffer)
        } else {
            append(value.magnitude, negative: value < 0, scale: scale, to: &buffer)
        }
    }

    /// Generic over the width: almost every price fits 64 bits, and those divide much faster.
    @inline(__always)
    private static func append<Magnitude: FixedWidthInteger & UnsignedInteger>(
        _ magnitude: Magnitude, negative: Bool, scale: Int, to buffer: inout [UInt8]
    ) {
        var rest = magnitude
        var decimals = scale
        while decimals > 0, rest != 0, rest % 10 == 0 {
            rest /= 10
            decimals -= 1
        }
        if rest == 0 { decimals = 0 }

        // From the last group to the first. The last group behind the point is filled up with
        // zeros on its right, which no intermediate value has room for. 39 digits make at most 10
        // groups before the point and 10 behind it.
        var groups = InlineArray<20, UInt16>(repeating: 0)
        var count = 0
        let fractionGroups = (decimals + 3) / 4
        if decimals % 4 != 0 {
            let power = powers[decimals % 4]
            groups[0] =
                UInt16(truncatingIfNeeded: rest % Magnitude(power)) * powers[4 - decimals % 4]
            rest /= Magnitude(power)
            count = 1
        }
        while rest != 0 || count < fractionGroups {
            groups[count] = UInt16(truncatingIfNeeded: rest % 10_000)
            rest /= 10_000
            count += 1
        }
        let weight = count - fractionGroups - 1
        // Groups of zeros right behind the point ("0.00000001") are said by the weight.
        var leadingZeros = 0
        while leadingZeros < count, groups[count - 1 - leadingZeros] == 0 { leadingZeros += 1 }

        let sent = count - leadingZeros
        buffer.append(bigEndian: Int16(truncatingIfNeeded: sent))
        buffer.append(bigEndian: Int16(truncatingIfNeeded: sent == 0 ? 0 : weight - leadingZeros))
        buffer.append(bigEndian: negative && sent > 0 ? Self.negative : 0)
        buffer.append(bigEndian: UInt16(truncatingIfNeeded: decimals))
        var index = sent
        while index > 0 {
            index -= 1
            buffer.append(bigEndian: groups[index])
        }
    }

    private static let powers: InlineArray<5, UInt16> = [1, 10, 100, 1_000, 10_000]
}
