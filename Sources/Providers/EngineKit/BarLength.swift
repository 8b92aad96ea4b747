/// The length of a service's bars. No service has all of them. A month is not among them, because
/// its length differs.
package enum BarLength: String, CaseIterable, Sendable {
    case second = "1s"
    case minute = "1m"
    case threeMinutes = "3m"
    case fiveMinutes = "5m"
    case fifteenMinutes = "15m"
    case halfHour = "30m"
    case hour = "1h"
    case twoHours = "2h"
    case fourHours = "4h"
    case sixHours = "6h"
    case eightHours = "8h"
    case twelveHours = "12h"
    case day = "1d"
    case threeDays = "3d"
    case week = "1w"

    /// Told apart by their first letters.
    package enum Unit: String, CaseIterable, Sendable {
        case second, minute, hour, day, week

        fileprivate var seconds: Int64 {
            switch self {
            case .second: 1
            case .minute: 60
            case .hour: 3_600
            case .day: 86_400
            case .week: 604_800
            }
        }
    }

    package var unit: Unit {
        Unit.allCases.first { $0.rawValue.first == rawValue.last } ?? .second
    }

    /// How many units it has.
    package var count: Int64 { Int64(rawValue.dropLast()) ?? 1 }

    package var nanoseconds: Int64 { count * unit.seconds * 1_000_000_000 }
}
