/// The rule by which a zone's clock changes in all later years: `EST5EDT,M3.2.0,M11.1.0` (POSIX,
/// with the hours of RFC 9636).
struct ZoneRule: Sendable {
    /// When the clock changes in a year. Its time is in seconds of local time before the change.
    struct Change: Sendable {
        enum Day: Sendable {
            /// Day 1 to 365; February 29 is not counted.
            case withoutLeap(Int64)
            /// Day 0 to 365 of the year.
            case ofYear(Int64)
            /// The `week`-th `weekday` (0 is Sunday) of a month; week 5 is the last one.
            case ofMonth(month: Int64, week: Int64, weekday: Int64)
        }

        var day: Day
        var seconds: Int64

        /// Returns the time of the change in local seconds since 1970.
        func time(inYear year: Int64) -> Int64 {
            date(inYear: year) * 86_400 + seconds
        }

        /// Returns the day of the change in days since 1970.
        private func date(inYear year: Int64) -> Int64 {
            let begin = CivilDate.daysBefore(year: year, month: 1)
            switch day {
            case .ofYear(let number): return begin + number
            case .withoutLeap(let number):
                return begin + number - 1 + (number > 59 && CivilDate.isLeap(year) ? 1 : 0)
            case .ofMonth(let month, let week, let weekday):
                let first = CivilDate.daysBefore(year: year, month: month)
                // In CivilDate, 0 is Monday.
                let wanted = (weekday + 6) % 7
                let offset = (wanted - CivilDate(daysSinceEpoch: first).weekday + 7) % 7
                var day = offset + (week - 1) * 7
                while day >= CivilDate.days(in: month, of: year) { day -= 7 }
                return first + day
            }
        }
    }

    /// The standard offset, in seconds east of Greenwich.
    let standard: Int64
    let summer: (offset: Int64, begins: Change, ends: Change)?

    /// Fails when the text is not such a rule.
    init?(_ text: String) {
        var scanner = ZoneRuleScanner(text)
        guard scanner.name(), let west = scanner.hours() else { return nil }
        standard = -west
        if scanner.isAtEnd {
            summer = nil
            return
        }
        guard scanner.name() else { return nil }
        var offset = standard + 3_600
        if !scanner.isAt(",") {
            guard let west = scanner.hours() else { return nil }
            offset = -west
        }
        guard scanner.skip(","), let begins = scanner.change(), scanner.skip(","),
            let ends = scanner.change(), scanner.isAtEnd
        else { return nil }
        summer = (offset, begins, ends)
    }

    func offset(at time: Int64) -> Int64 {
        guard let summer else { return standard }
        let limit = ZoneFile.timeMax
        guard (-limit...limit).contains(time) else { return standard }
        let local = time + standard
        let day = local / 86_400 - (local % 86_400 < 0 ? 1 : 0)
        let year = CivilDate(daysSinceEpoch: day).year
        let begin = summer.begins.time(inYear: year) - standard
        let end = summer.ends.time(inYear: year) - summer.offset
        let isSummer = begin < end ? (begin..<end).contains(time) : !(end..<begin).contains(time)
        return isSummer ? summer.offset : standard
    }
}

private struct ZoneRuleScanner {
    private let bytes: [UInt8]
    private var index = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { index == bytes.count }

    func isAt(_ sign: Unicode.Scalar) -> Bool {
        index < bytes.count && bytes[index] == UInt8(ascii: sign)
    }

    mutating func skip(_ sign: Unicode.Scalar) -> Bool {
        guard isAt(sign) else { return false }
        index += 1
        return true
    }

    /// Reads a name: letters, or anything between < and >.
    mutating func name() -> Bool {
        let start = index
        if skip("<") {
            while index < bytes.count, !isAt(">") { index += 1 }
            return skip(">")
        }
        while index < bytes.count, (0x61...0x7a).contains(bytes[index] | 0x20) { index += 1 }
        return index > start
    }

    private mutating func number(max: Int64) -> Int64? {
        let start = index
        var number: Int64 = 0
        while index < bytes.count, index - start < 4, (0x30...0x39).contains(bytes[index]) {
            number = number * 10 + Int64(bytes[index]) - 0x30
            index += 1
        }
        return index > start && number <= max ? number : nil
    }

    /// Reads `[+-]hh[:mm[:ss]]` and returns seconds.
    mutating func hours() -> Int64? {
        let isNegative = isAt("-")
        if isNegative || isAt("+") { index += 1 }
        guard let hours = number(max: 167) else { return nil }
        var seconds = hours * 3_600
        for unit in [Int64(60), 1] {
            guard skip(":") else { break }
            guard let part = number(max: 59) else { return nil }
            seconds += part * unit
        }
        return isNegative ? -seconds : seconds
    }

    mutating func change() -> ZoneRule.Change? {
        guard let day = day() else { return nil }
        guard skip("/") else { return ZoneRule.Change(day: day, seconds: 7_200) }
        return hours().map { ZoneRule.Change(day: day, seconds: $0) }
    }

    private mutating func day() -> ZoneRule.Change.Day? {
        if skip("J") {
            guard let day = number(max: 365), day > 0 else { return nil }
            return .withoutLeap(day)
        }
        guard skip("M") else { return number(max: 365).map { .ofYear($0) } }
        guard let month = number(max: 12), month > 0, skip("."), let week = number(max: 5),
            week > 0, skip("."), let weekday = number(max: 6)
        else { return nil }
        return .ofMonth(month: month, week: week, weekday: weekday)
    }
}
