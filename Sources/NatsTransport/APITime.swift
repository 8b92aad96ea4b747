import Primitives

/// The times of the JetStream API: RFC 3339, with or without a fraction, in any zone.
enum APITime {
    /// `2026-01-31T13:05:09.123456789Z`; nil when the text is no such time or lies outside the
    /// years that 64 bits of nanoseconds hold.
    static func parse(_ text: String) -> Timestamp? {
        var scanner = Scanner(bytes: Array(text.utf8))
        guard let year = scanner.number(4), scanner.skip("-"),
            let month = scanner.number(2), (1...12).contains(month), scanner.skip("-"),
            let day = scanner.number(2), (1...31).contains(day), scanner.skip("T"),
            let hour = scanner.number(2), hour < 24, scanner.skip(":"),
            let minute = scanner.number(2), minute < 60, scanner.skip(":"),
            let second = scanner.number(2), second <= 60,
            let fraction = scanner.fraction(), let offset = scanner.zone(), scanner.isAtEnd
        else { return nil }
        let days = daysSinceEpoch(year: year, month: month, day: day)
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return nil }
        let (sum, carry) = nanoseconds.addingReportingOverflow(fraction)
        return carry || sum == Int64.max ? nil : Timestamp(nanoseconds: sum)
    }

    /// The inverse of `CivilDate`, with years that begin in March.
    private static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private struct Scanner {
        let bytes: [UInt8]
        var index = 0

        var isAtEnd: Bool { index == bytes.count }

        private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

        mutating func number(_ digits: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<digits {
                guard let byte = next, (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
                index += 1
            }
            return value
        }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard let byte = next, byte == UInt8(ascii: character) else { return false }
            index += 1
            return true
        }

        /// Nanoseconds; 0 without a dot, nil without digits behind it or with more than nine.
        mutating func fraction() -> Int64? {
            guard skip(".") else { return 0 }
            var value: Int64 = 0
            var count = 0
            while let digit = number(1) {
                guard count < 9 else { return nil }
                value = value * 10 + digit
                count += 1
            }
            guard count > 0 else { return nil }
            for _ in count..<9 { value *= 10 }
            return value
        }

        /// Seconds to the east of UTC.
        mutating func zone() -> Int64? {
            if skip("Z") { return 0 }
            let isWest = next == UInt8(ascii: "-")
            guard isWest || next == UInt8(ascii: "+") else { return nil }
            index += 1
            guard let hours = number(2), skip(":"), let minutes = number(2) else { return nil }
            return (isWest ? -1 : 1) * (hours * 3_600 + minutes * 60)
        }
    }
}
