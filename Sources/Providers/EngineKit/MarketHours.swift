internal import Primitives

/// The hours in which a dense stream that falls silent has stopped: those of the market in summer.
/// In winter it opens an hour later, and no stream is dense before. After them it may have closed.
/// Holidays count as other days.
package enum MarketHours: Sendable {
    /// That of coins.
    case always
    /// US stocks, from 4:00 to 20:00 in New York: from 8:00 or 9:00 to 24:00 or 1:00 UTC.
    case stocks
    /// IEX alone, from 8:00 to 17:00 in New York: from 12:00 or 13:00 to 21:00 or 22:00 UTC.
    case iex

    private static let second: Int64 = 1_000_000_000
    private static let hour = 3_600 * second
    private static let day = 24 * hour

    func contain(_ time: Timestamp) -> Bool {
        let midnight = time.floored(toNanoseconds: Self.day)
        // The first day of 1970 was a Thursday, and 0 is Sunday.
        let weekday = (midnight.nanoseconds / Self.day + 4) % 7
        let hour = (time.nanoseconds - midnight.nanoseconds) / Self.hour
        return switch self {
        case .always: true
        case .stocks: (1...5).contains(weekday) && hour >= 8
        case .iex: (1...5).contains(weekday) && (12..<21).contains(hour)
        }
    }
}
