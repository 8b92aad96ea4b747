/// Reads decimals of services: exactly, as far as the tape's 1e-9 goes.
package enum PolledDecimal {
    /// The longest text that is read.
    static let textBytesMax = 128
    private static let decimals = 9
    /// The digits that fit 128 bits for certain.
    private static let digitsMax = 38

    /// Returns the number in 1e-9; `nil` for what is none, or does not fit. More digits than 1e-9
    /// are rounded, a half to the even neighbour. No float is involved.
    package static func parse(_ text: String) -> Int128? {
        let bytes = Array(text.utf8.prefix(textBytesMax + 1))
        guard bytes.count <= textBytesMax, let number = Number(bytes) else { return nil }
        return number.scaled(to: decimals)
    }

    /// sign × digits × 10^exponent, without zeros at either end of the digits.
    private struct Number {
        var isNegative = false
        var digits: [UInt8] = []
        var exponent = 0

        init?(_ bytes: [UInt8]) {
            var rest = bytes[...]
            if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
                isNegative = sign == UInt8(ascii: "-")
                rest.removeFirst()
            }
            let whole = rest.prefix(while: Self.isDigit)
            rest = rest.dropFirst(whole.count)
            digits = Array(whole)
            if rest.first == UInt8(ascii: ".") {
                let fraction = rest.dropFirst().prefix(while: Self.isDigit)
                rest = rest.dropFirst(fraction.count + 1)
                digits += fraction
                exponent = -fraction.count
            }
            guard !digits.isEmpty else { return nil }
            if let letter = rest.first, letter | 0x20 == UInt8(ascii: "e") {
                guard let power = Self.exponent(rest.dropFirst()) else { return nil }
                exponent += power
                rest = []
            }
            guard rest.isEmpty else { return nil }
            digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
            while digits.last == UInt8(ascii: "0") {
                digits.removeLast()
                exponent += 1
            }
        }

        private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

        /// Reads `[+-]digits`; a value beyond any use is cut.
        private static func exponent(_ bytes: ArraySlice<UInt8>) -> Int? {
            var rest = bytes
            let isNegative = rest.first == UInt8(ascii: "-")
            if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
            guard !rest.isEmpty, rest.allSatisfy(isDigit) else { return nil }
            let value = rest.reduce(0) { min($0 * 10 + Int($1 - 0x30), 10_000) }
            return isNegative ? -value : value
        }

        func scaled(to decimals: Int) -> Int128? {
            // The digits that count, and then zeros to be added.
            let kept = digits.count + exponent + decimals
            guard !digits.isEmpty, kept >= 0 else { return 0 }
            guard kept <= digitsMax else { return nil }
            var value = digits.prefix(kept).reduce(Int128(0)) { $0 * 10 + Int128($1 - 0x30) }
            for _ in 0..<max(0, kept - digits.count) { value *= 10 }
            if kept < digits.count, isRoundedUp(digits[kept...], value) { value += 1 }
            return isNegative ? -value : value
        }

        /// Whether what is cut off is more than a half, or a half after an odd digit. Its last
        /// digit is not 0.
        private func isRoundedUp(_ rest: ArraySlice<UInt8>, _ value: Int128) -> Bool {
            guard let first = rest.first else { return false }
            if first != UInt8(ascii: "5") { return first > UInt8(ascii: "5") }
            return rest.count > 1 || value % 2 != 0
        }
    }
}
