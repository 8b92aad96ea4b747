internal import IBProtocol
internal import Primitives

/// A length of the bars that a load can have. Weeks and months are made of days.
package enum IBBarLength: String, Hashable, Sendable, CaseIterable {
    case second = "1s"
    case fiveSeconds = "5s"
    case tenSeconds = "10s"
    case fifteenSeconds = "15s"
    case thirtySeconds = "30s"
    case minute = "1m"
    case twoMinutes = "2m"
    case threeMinutes = "3m"
    case fiveMinutes = "5m"
    case tenMinutes = "10m"
    case fifteenMinutes = "15m"
    case twentyMinutes = "20m"
    case thirtyMinutes = "30m"
    case hour = "1h"
    case twoHours = "2h"
    case threeHours = "3h"
    case fourHours = "4h"
    case eightHours = "8h"
    case day = "1d"

    private static let units: [Character: (seconds: Int64, word: String)] = [
        "s": (1, "secs"), "m": (60, "min"), "h": (3_600, "hour"), "d": (86_400, "day"),
    ]

    private var parts: (count: Int64, unit: (seconds: Int64, word: String)) {
        let unit = rawValue.last.flatMap { Self.units[$0] } ?? (1, "secs")
        return (Int64(rawValue.dropLast()) ?? 1, unit)
    }

    package var seconds: Int64 { parts.count * parts.unit.seconds }

    /// In the vendor's words.
    var barSize: String {
        let (count, unit) = parts
        return "\(count) \(unit.word)\(count > 1 && unit.seconds > 1 ? "s" : "")"
    }

    /// The most seconds that one request may cover, as the vendor lists them.
    var secondsPerRequest: Int64 {
        let day: Int64 = 86_400
        return switch self {
        case .second: 1_800
        case .fiveSeconds: 3_600
        case .tenSeconds, .fifteenSeconds: 14_400
        case .thirtySeconds: 28_800
        case .minute: day
        case .twoMinutes: 2 * day
        case .threeMinutes, .fiveMinutes, .tenMinutes, .fifteenMinutes, .twentyMinutes: 7 * day
        case .thirtyMinutes, .hour, .twoHours, .threeHours, .fourHours, .eightHours: 28 * day
        case .day: 365 * day
        }
    }

    /// Whether the vendor counts requests for them: it counts those for bars below a minute.
    package var isCounted: Bool { seconds < 60 }

    /// The least seconds that the server accepts.
    private static let secondsMin: Int64 = 30

    /// Returns the request for the bars that begin between two seconds since 1970. The answer may
    /// have bars of before: the vendor counts days of trading.
    func request(_ range: Range<Int64>, _ kind: HistoryKind) -> HistoryRequest {
        let length = max(Self.secondsMin, range.upperBound - range.lowerBound)
        let days = (length + 86_399) / 86_400
        var request = HistoryRequest(
            duration: length <= 86_400 ? "\(length) S" : "\(min(days, 365)) D", barSize: barSize)
        request.end = .at(WholeSecond.start(range.upperBound))
        request.kind = kind
        // As the live feeds: bars of five seconds come of all hours, and those of days do not.
        request.regularHoursOnly = self == .day
        return request
    }
}
