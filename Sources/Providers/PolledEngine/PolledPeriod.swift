internal import Primitives

/// How often a series of FRED has a value, by its `frequency_short`. It decides which period the
/// date of a value means.
enum PolledFrequency: String, Sendable {
    case daily = "D"
    case weekly = "W"
    case biweekly = "BW"
    case monthly = "M"
    case quarterly = "Q"
    case semiannual = "SA"
    case annual = "A"

    /// Returns the period of a date, as [start, end) of days in UTC. Weeks are dated by their last
    /// day, all longer periods by their first.
    func period(of date: CivilDate) -> (start: Timestamp, end: Timestamp)? {
        let day = date.daysSinceEpoch
        let days: (Int64, Int64) =
            switch self {
            case .daily: (day, day + 1)
            case .weekly: (day - 6, day + 1)
            case .biweekly: (day - 13, day + 1)
            case .monthly: (day, Self.after(date, months: 1))
            case .quarterly: (day, Self.after(date, months: 3))
            case .semiannual: (day, Self.after(date, months: 6))
            case .annual: (day, Self.after(date, months: 12))
            }
        guard let start = Self.time(days.0), let end = Self.time(days.1) else { return nil }
        return (start, end)
    }

    /// Returns the first day of the month that comes so many months after the date's.
    private static func after(_ date: CivilDate, months: Int64) -> Int64 {
        let count = date.year * 12 + date.month - 1 + months
        return CivilDate.daysBefore(year: count / 12, month: count % 12 + 1)
    }

    private static func time(_ day: Int64) -> Timestamp? {
        let (nanoseconds, overflow) = day.multipliedReportingOverflow(by: 86_400_000_000_000)
        return overflow || nanoseconds == Int64.max ? nil : Timestamp(nanoseconds: nanoseconds)
    }
}
