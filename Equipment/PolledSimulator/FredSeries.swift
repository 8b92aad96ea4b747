internal import Primitives
internal import VenueWeb

/// One value of a series in one vintage: what was known of a day or month from a date on.
struct FredVintage: Equatable, Sendable {
    /// The day, or the first one of the month.
    let date: CivilDate
    /// The first day on which it was known.
    let known: CivilDate
    /// The value as text; `.`: there is none.
    let value: String
}

/// A series that follows from its seed: values, releases and revisions.
struct FredSeries: Sendable {
    enum Frequency: String, Sendable {
        case daily = "D"
        case monthly = "M"

        var name: String { self == .daily ? "Daily" : "Monthly" }
    }

    let id: String
    let title: String
    let frequency: Frequency
    let units: String
    /// The middle of its values, in units of 10^-decimals.
    let level: Int64
    let decimals: Int
    /// Its place among the series.
    let lane: Int
    private let events: SeededEvents

    /// The first period of every series.
    static let first = CivilDate(daysSinceEpoch: 18_262)  // 2020-01-01
    /// When the values of a day come: 20:15 UTC, and 13:30 UTC for months.
    private static let dailySeconds: Int64 = 20 * 3_600 + 15 * 60
    private static let monthlySeconds: Int64 = 13 * 3_600 + 30 * 60
    private static let monthlyDay: Int64 = 12
    private static let revisionDays: Int64 = 6
    private static let missingDays: Int64 = 3

    private static let all:
        [(
            id: String, title: String, frequency: Frequency, units: String, level: Int64,
            decimals: Int
        )] = [
            ("DGS2", "2-Year Treasury Yield", .daily, "Percent", 410, 2),
            ("DGS10", "10-Year Treasury Yield", .daily, "Percent", 430, 2),
            ("DFF", "Federal Funds Effective Rate", .daily, "Percent", 433, 2),
            ("VIXCLS", "Volatility Index", .daily, "Index", 1_850, 2),
            ("CPIAUCSL", "Consumer Price Index", .monthly, "Index 1982-1984=100", 310_000, 3),
            ("UNRATE", "Unemployment Rate", .monthly, "Percent", 41, 1),
        ]

    static func series(seed: UInt64) -> [FredSeries] {
        let events = SeededEvents(seed: seed ^ 0x66, lanes: all.count, interval: nil)
        return all.enumerated().map { lane, what in
            FredSeries(
                id: what.id, title: what.title, frequency: what.frequency, units: what.units,
                level: what.level, decimals: what.decimals, lane: lane, events: events)
        }
    }

    /// Returns the last day whose releases are known at a time.
    func knownDay(_ time: Timestamp) -> Int64 {
        let seconds = frequency == .daily ? Self.dailySeconds : Self.monthlySeconds
        let since = time.nanoseconds / 1_000_000_000 - seconds
        return since >= 0 ? since / 86_400 : -1
    }

    /// The last vintage of a period is known at most so many days after it.
    static let vintageDaysMax: Int64 = 130

    /// The periods from a day, or from the first one, until a day.
    func periods(from: Int64 = 0, until last: Int64) -> [CivilDate] {
        let start = CivilDate(daysSinceEpoch: max(from, Self.first.daysSinceEpoch))
        guard last >= start.daysSinceEpoch else { return [] }
        switch frequency {
        case .daily:
            return (start.daysSinceEpoch...last).map { CivilDate(daysSinceEpoch: $0) }
                .filter { $0.weekday < 5 }
        case .monthly:
            var months: [CivilDate] = []
            // A month begins with its first day.
            let isLater = start.day > 1
            var (year, month) =
                isLater && start.month == 12
                ? (start.year + 1, 1) : (start.year, start.month + (isLater ? 1 : 0))
            while let date = CivilDate(year: year, month: month, day: 1),
                date.daysSinceEpoch <= last
            {
                months.append(date)
                (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
            }
            return months
        }
    }

    /// Returns the vintages of a period, the oldest first. Some are still to come.
    func vintages(_ date: CivilDate) -> [FredVintage] {
        let number = UInt64(clamping: date.daysSinceEpoch)
        let random = events.mixed(lane, number, salt: 32)
        let value = events.level(lane, number, around: level)
        func text(_ value: Int64) -> String { FixedPoint.text(value, decimals: decimals) }
        switch frequency {
        case .daily:
            // Some days have no value, at first or for ever, and some values are revised some days
            // later.
            let known = Self.businessDay(after: date.daysSinceEpoch)
            let isMissing = random % 25 == 0
            let first = FredVintage(
                date: date, known: known, value: isMissing ? "." : text(value))
            guard random >> 8 % (isMissing ? 2 : 20) == 0 else { return [first] }
            let days = isMissing ? Self.missingDays : Self.revisionDays
            let later = Self.businessDay(after: known.daysSinceEpoch + days)
            return [first, FredVintage(date: date, known: later, value: text(value + 1))]
        case .monthly:
            // It comes in the next month, and may be revised in the two after.
            var vintages: [FredVintage] = []
            for (place, months) in ([1, 2, 3] as [Int64]).enumerated()
            where place == 0 || random >> UInt64(8 * place) % 3 == 0 {
                guard let known = Self.release(date, months) else { break }
                vintages.append(
                    FredVintage(date: date, known: known, value: text(value + Int64(place))))
            }
            return vintages
        }
    }

    private static func businessDay(after day: Int64) -> CivilDate {
        let next = CivilDate(daysSinceEpoch: day + 1)
        return next.weekday < 5 ? next : CivilDate(daysSinceEpoch: day + 8 - next.weekday)
    }

    private static func release(_ month: CivilDate, _ later: Int64) -> CivilDate? {
        let months = month.year * 12 + month.month - 1 + later
        return CivilDate(year: months / 12, month: months % 12 + 1, day: monthlyDay)
    }
}
