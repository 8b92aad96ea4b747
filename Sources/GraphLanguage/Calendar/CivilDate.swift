/// A day of the Gregorian calendar, as its number of days since 1970-01-01.
struct CivilDate: Hashable, Comparable, CustomStringConvertible {
    let days: Int

    init(days: Int) { self.days = days }

    /// Nil: there is no such day, or it is outside of the years 1 to 9999.
    init?(year: Int, month: Int, day: Int) {
        guard (1...9_999).contains(year), (1...12).contains(month),
            (1...Self.days(in: month, of: year)).contains(day)
        else { return nil }
        days = Self.daysBefore(year: year, month: month) + day - 1
    }

    /// `2025-01-09`
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
            let day = Self.number(bytes[8..<10])
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var number = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            number = number * 10 + Int(digit) - 0x30
        }
        return number
    }

    static func isLeap(_ year: Int) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Since 1970-01-01, of the first day of a month. Years may be negative.
    static func daysBefore(year: Int, month: Int) -> Int {
        let past = year - 1
        let leaps = floor(past, 4) - floor(past, 100) + floor(past, 400)
        // 719,162 days lie between 0001-01-01 and 1970-01-01.
        let begin = 365 * past + leaps - 719_162
        return begin + (1..<max(1, month)).reduce(0) { $0 + days(in: $1, of: year) }
    }

    private static func floor(_ number: Int, _ divisor: Int) -> Int {
        number >= 0 ? number / divisor : -((-number + divisor - 1) / divisor)
    }

    /// The year that holds a day.
    static func year(ofDays days: Int) -> Int {
        var year = 1_970 + floor(days * 400, 146_097)
        while daysBefore(year: year, month: 1) > days { year -= 1 }
        while daysBefore(year: year + 1, month: 1) <= days { year += 1 }
        return year
    }

    /// Year, month and day as one number, `20250109`.
    var number: Int32 {
        let (year, month, day) = parts
        return Int32(clamping: year * 10_000 + month * 100 + day)
    }

    private var parts: (year: Int, month: Int, day: Int) {
        let year = Self.year(ofDays: days)
        var month = 1
        while month < 12, Self.daysBefore(year: year, month: month + 1) <= days { month += 1 }
        return (year, month, days - Self.daysBefore(year: year, month: month) + 1)
    }

    /// 0 is Monday.
    var weekday: Int { ((days + 3) % 7 + 7) % 7 }

    static func < (left: CivilDate, right: CivilDate) -> Bool { left.days < right.days }

    var description: String {
        let (year, month, day) = parts
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
    }
}
