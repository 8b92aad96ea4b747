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

    package enum Unit: Sendable {
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

    // The raw value says the same, but is not read for each bar.
    private var parts: (count: Int64, unit: Unit) {
        switch self {
        case .second: (1, .second)
        case .minute: (1, .minute)
        case .threeMinutes: (3, .minute)
        case .fiveMinutes: (5, .minute)
        case .fifteenMinutes: (15, .minute)
        case .halfHour: (30, .minute)
        case .hour: (1, .hour)
        case .twoHours: (2, .hour)
        case .fourHours: (4, .hour)
        case .sixHours: (6, .hour)
        case .eightHours: (8, .hour)
        case .twelveHours: (12, .hour)
        case .day: (1, .day)
        case .threeDays: (3, .day)
        case .week: (1, .week)
        }
    }

    package var unit: Unit { parts.unit }

    /// How many units it has.
    package var count: Int64 { parts.count }

    package var nanoseconds: Int64 { parts.count * parts.unit.seconds * 1_000_000_000 }
}
