/// ISO 8601 times: date, time, up to nine decimals, and a zone.
public enum ISOTime {
    /// Returns `nil` when the text is not such a time, has no zone, or is beyond the years that
    /// nanoseconds reach.
    public static func parse(_ text: String) -> Timestamp? {
        var scanner = Scanner(Array(text.utf8))
        guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2),
            scanner.skip("-"), let day = scanner.digits(2), scanner.skip("T", or: " "),
            let hour = scanner.digits(2), scanner.skip(":"), let minute = scanner.digits(2),
            let second = scanner.optionalSeconds(), let fraction = scanner.fraction(),
            let offset = scanner.zone(), scanner.isAtEnd,
            let date = CivilDate(year: year, month: month, day: day), hour < 24, minute < 60,
            second < 60
        else { return nil }
        let seconds = date.daysSinceEpoch * 86_400 + hour * 3_600 + minute * 60 + second - offset
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = whole.addingReportingOverflow(fraction)
        return overflow || carry || sum == Int64.max ? nil : Timestamp(nanoseconds: sum)
    }

    private struct Scanner {
        private let bytes: [UInt8]
        private var index = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { index == bytes.count }
        private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

        mutating func digits(_ count: Int) -> Int64? {
            guard bytes.count - index >= count else { return nil }
            var value: Int64 = 0
            for _ in 0..<count {
                guard (0x30...0x39).contains(bytes[index]) else { return nil }
                value = value * 10 + Int64(bytes[index] - 0x30)
                index += 1
            }
            return value
        }

        mutating func skip(_ one: Character, or other: Character? = nil) -> Bool {
            guard let next, next == one.asciiValue || next == other?.asciiValue else {
                return false
            }
            index += 1
            return true
        }

        /// Returns the seconds, or 0 when there are none.
        mutating func optionalSeconds() -> Int64? { skip(":") ? digits(2) : 0 }

        /// Returns the fraction in nanoseconds; `nil` for a dot without digits, or with more than
        /// nine.
        mutating func fraction() -> Int64? {
            guard skip(".", or: ",") else { return 0 }
            let start = index
            var value: Int64 = 0
            while let next, (0x30...0x39).contains(next), index - start < 9 {
                value = value * 10 + Int64(next - 0x30)
                index += 1
            }
            guard index > start else { return nil }
            for _ in (index - start)..<9 { value *= 10 }
            return value
        }

        /// Returns the zone in seconds east of UTC; `nil` when no zone is given.
        mutating func zone() -> Int64? {
            if skip("Z", or: "z") { return 0 }
            let isWest = next == UInt8(ascii: "-")
            guard skip("+", or: "-"), let hours = digits(2), hours <= 15 else { return nil }
            _ = skip(":")
            guard let minutes = isAtEnd ? 0 : digits(2), minutes < 60 else { return nil }
            return (hours * 3_600 + minutes * 60) * (isWest ? -1 : 1)
        }
    }
}
