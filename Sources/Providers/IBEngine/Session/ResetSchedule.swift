internal import Primitives

/// The region of the servers of an account. It decides when they are restarted every night.
package enum AccountRegion: String, Hashable, Sendable, CaseIterable {
    case america, europe, asia
}

/// The hours in which the vendor restarts its servers, every night. A connection that is lost then
/// is not counted as a failure, and its gaps have the reason `maintenance`.
///
/// The hours are those that the vendor publishes, in local time. They include the hours that the
/// vendor published before it last changed them.
struct ResetSchedule: Sendable {
    private struct Window: Sendable {
        /// The name of the time zone.
        var zone: String
        /// The beginning, in seconds of the local day.
        var start: Int64
        /// In seconds.
        var length: Int64
        /// The weekday on which it begins, 0 is Sunday; `nil`: every day.
        var weekday: Int64?
    }

    /// The seconds of a day.
    private static let day: Int64 = 86_400
    private static let newYork = "America/New_York"
    /// For all regions, from Friday 23:00 to Saturday 3:00.
    private static let weekend = Window(
        zone: newYork, start: 82_800, length: 14_400, weekday: 5)

    private let windows: [Window]

    init(_ region: AccountRegion) {
        let daily: [Window] =
            switch region {
            // 23:45 to 1:45.
            case .america: [Window(zone: Self.newYork, start: 85_500, length: 7_200)]
            // 5:45 to 7:45.
            case .europe: [Window(zone: "Europe/Zurich", start: 20_700, length: 7_200)]
            // 4:45 to 6:45, and 20:15 to 21:15.
            case .asia:
                [
                    Window(zone: "Asia/Hong_Kong", start: 17_100, length: 7_200),
                    Window(zone: "Asia/Hong_Kong", start: 72_900, length: 3_600),
                ]
            }
        windows = daily + [Self.weekend]
    }

    /// The zones whose rules are needed.
    var zones: [String] {
        windows.map(\.zone).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Returns whether the servers are restarted at this time. False when the zone's rules are not
    /// known: then a loss is counted as a failure, and attempts continue all the same.
    func contains(_ time: Timestamp, _ rules: [String: ZoneRules]) -> Bool {
        guard time.isDefined else { return false }
        let seconds =
            time.floored(toNanoseconds: EngineLimits.second).nanoseconds / EngineLimits.second
        return windows.contains { window in
            guard let zone = rules[window.zone] else { return false }
            let since = seconds + zone.offset(at: seconds) - window.start
            let days = Self.floored(since, by: Self.day)
            guard since - days * Self.day < window.length else { return false }
            // The first day of 1970 was a Thursday.
            let weekday = days + 4 - 7 * Self.floored(days + 4, by: 7)
            return window.weekday.map { $0 == weekday } ?? true
        }
    }

    /// Returns the quotient, rounded down for negative values too.
    private static func floored(_ value: Int64, by length: Int64) -> Int64 {
        value >= 0 ? value / length : (value - length + 1) / length
    }
}
