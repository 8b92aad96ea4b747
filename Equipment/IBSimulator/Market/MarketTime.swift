internal import Primitives

/// Formats and parses times of the protocol. The simulator's own zone is UTC.
enum MarketTime {
    static let secondsPerDay: Int64 = 86_400

    /// Formats as `20260105`.
    static func date(_ second: Int64) -> String {
        let day = CivilDate(daysSinceEpoch: days(second))
        return [padded(day.year, 4), padded(day.month, 2), padded(day.day, 2)].joined()
    }

    /// Formats as `09:30:00`.
    static func clock(_ second: Int64) -> String {
        let inDay = second - days(second) * secondsPerDay
        return [inDay / 3_600, inDay / 60 % 60, inDay % 60].map { padded($0, 2) }
            .joined(separator: ":")
    }

    /// Formats as `2026-01-05 09:30:00.0`.
    static func newsTime(_ second: Int64) -> String {
        "\(CivilDate(daysSinceEpoch: days(second))) \(clock(second)).0"
    }

    static func days(_ second: Int64) -> Int64 {
        second >= 0 ? second / secondsPerDay : (second - secondsPerDay + 1) / secondsPerDay
    }

    /// Parses `yyyymmdd-hh:mm:ss`, `yyyymmdd hh:mm:ss` with an optional zone that means UTC, or a
    /// news time `yyyy-mm-dd hh:mm:ss[.0]`. Returns `nil` for anything else.
    static func parse(_ text: String) -> Int64? {
        var digits = Array(text.utf8)
        if digits.count >= 10, digits[4] == UInt8(ascii: "-"), digits[7] == UInt8(ascii: "-") {
            digits.remove(at: 7)
            digits.remove(at: 4)
            if let dot = digits.firstIndex(of: UInt8(ascii: ".")) {
                digits.removeSubrange(dot...)
            }
        }
        guard digits.count >= 17, let date = number(digits[0..<8]),
            [UInt8(ascii: "-"), UInt8(ascii: " ")].contains(digits[8]),
            digits[11] == UInt8(ascii: ":"), digits[14] == UInt8(ascii: ":"),
            let hour = number(digits[9..<11]), let minute = number(digits[12..<14]),
            let second = number(digits[15..<17]), hour < 24, minute < 60, second < 60
        else { return nil }
        let zone = String(decoding: digits[17...], as: UTF8.self)
        guard zones.contains(zone), let days = days(ofDate: date) else { return nil }
        return days * secondsPerDay + hour * 3_600 + minute * 60 + second
    }

    private static let zones = ["", " UTC", " Etc/UTC", " GMT", " Etc/GMT", " Universal"]

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// Returns the days since 1970 of `20260105`. `nil` if the calendar has no such day.
    private static func days(ofDate date: Int64) -> Int64? {
        let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100)
        guard (1...12).contains(month), (1...31).contains(day), year >= 1_970 else { return nil }
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        let found = CivilDate(daysSinceEpoch: days)
        return found.month == month && found.day == day ? days : nil
    }

    static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
