internal import Primitives

/// The hours in which US stocks are traded in summer as in winter. They are traded from 4:00 to
/// 20:00 in New York, which is from 8:00 or 9:00 to 24:00 or 1:00 UTC. Holidays count as other days.
enum USMarketHours {
    private static let second: Int64 = 1_000_000_000
    private static let hour = 3_600 * second
    private static let day = 24 * hour

    static func contain(_ time: Timestamp) -> Bool {
        let midnight = time.floored(toNanoseconds: day)
        // The first day of 1970 was a Thursday, and 0 is Sunday.
        let weekday = (midnight.nanoseconds / day + 4) % 7
        return (1...5).contains(weekday) && time.nanoseconds - midnight.nanoseconds >= 9 * hour
    }
}
