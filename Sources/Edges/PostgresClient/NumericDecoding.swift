extension NumericEncoding {
    /// Reads the server's binary form. Returns `nil` when value × 10^scale is no whole number of
    /// 128 bits, is NaN or infinite, or when the bytes are no numeric.
    static func value(of bytes: [UInt8], scale: Int) -> Int128? {
        precondition(scaleRange.contains(scale), "numeric scale \(scale) is out of range")
        guard bytes.count >= 8 else { return nil }
        func word(_ index: Int) -> UInt16 {
            UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1])
        }
        let groups = Int(word(0))
        let weight = Int(Int16(bitPattern: word(1)))
        guard bytes.count == 8 + 2 * groups, [0, negativeSign].contains(word(2)) else { return nil }
        var value: Int128 = 0
        for index in 0..<groups {
            let group = word(4 + index)
            guard group < 10_000 else { return nil }
            // The exponent of ten of the group's last digit after scaling.
            let exponent = 4 * (weight - index) + scale
            guard let part = scaled(Int128(group), by: exponent) else { return nil }
            let (sum, overflow) = value.addingReportingOverflow(part)
            if overflow { return nil }
            value = sum
        }
        return word(2) == negativeSign ? -value : value
    }

    private static let negativeSign: UInt16 = 0x4000

    private static func scaled(_ group: Int128, by exponent: Int) -> Int128? {
        if group == 0 { return 0 }
        guard (-4...38).contains(exponent) else { return nil }
        var value = group
        for _ in 0..<abs(exponent) {
            if exponent < 0 {
                guard value % 10 == 0 else { return nil }
                value /= 10
            } else {
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                if overflow { return nil }
                value = product
            }
        }
        return value
    }
}
