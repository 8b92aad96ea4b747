import Primitives

/// Times of the calendar for people, in UTC.
enum TimeText {
    /// Returns a time to the second, if it is one of UTC.
    static func short(_ time: String) -> String {
        time.utf8.count > 20 && time.hasSuffix("Z") ? "\(time.prefix(19))Z" : time
    }

    /// Returns a time with as many decimals as it has.
    static func of(_ time: Timestamp) -> String {
        let text = "\(time)".dropLast()
        guard text.contains(".") else { return "\(time)" }
        let digits = text.reversed().drop { $0 == "0" }.reversed()
        return String(digits.last == "." ? digits.dropLast() : digits[...]) + "Z"
    }
}
