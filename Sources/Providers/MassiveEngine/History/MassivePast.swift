internal import EngineKit
internal import Primitives

/// The length of the service's bars.
package enum MassiveBarLength: String, CaseIterable, Sendable {
    case second = "1s"
    case minute = "1m"
    case fiveMinutes = "5m"
    case fifteenMinutes = "15m"
    case halfHour = "30m"
    case hour = "1h"
    case fourHours = "4h"
    case day = "1d"

    package var nanoseconds: Int64 {
        let seconds: Int64 =
            switch self {
            case .second: 1
            case .minute: 60
            case .fiveMinutes: 300
            case .fifteenMinutes: 900
            case .halfHour: 1_800
            case .hour: 3_600
            case .fourHours: 14_400
            case .day: 86_400
            }
        return seconds * 1_000_000_000
    }

    /// The service's words for it, with a slash between.
    var words: String {
        switch self {
        case .second: "1/second"
        case .minute: "1/minute"
        case .fiveMinutes: "5/minute"
        case .fifteenMinutes: "15/minute"
        case .halfHour: "30/minute"
        case .hour: "1/hour"
        case .fourHours: "4/hour"
        case .day: "1/day"
        }
    }

    /// Of how many of the service's own bars it is made. So many count against the limit of a page.
    var parts: Int {
        switch self {
        case .second, .minute, .day: 1
        case .fiveMinutes: 5
        case .fifteenMinutes: 15
        case .halfHour: 30
        case .hour: 60
        case .fourHours: 240
        }
    }
}

/// Bounds of requests that are no settings.
package enum MassivePastLimits {
    /// The trades of one page. The service allows five times as many, and an answer has a limit.
    package static let tradesMax = 10_000
    /// The service's own bars of one page.
    static let barsMax = 50_000
    /// The longest address of a next page, in bytes.
    static let nextBytesMax = 4_096
    /// A plan that is delayed by a quarter of an hour gets what is older, and a minute more for
    /// clocks that differ.
    static let delayedAge: Int64 = 960_000_000_000
}

/// A request for a page.
package struct MassivePastRequest: HistoryRequest, Hashable {
    package let number: UInt64
    package let interval: Int64
    /// The path of its address, and its query, encoded. The service's own where a page named it.
    package let target: String

    /// The target for trades by the times of their reports, the earliest first.
    static func trades(of symbol: String, _ range: Range<Timestamp>, rows: Int) -> String {
        "/v3/trades/\(encoded(symbol))?timestamp.gte=\(range.lowerBound.nanoseconds)"
            + "&timestamp.lt=\(range.upperBound.nanoseconds)&order=asc&sort=timestamp"
            + "&limit=\(rows)"
    }

    static func encoded(_ symbol: String) -> String {
        symbol.split(separator: "/", omittingEmptySubsequences: false).joined(separator: "%2F")
    }
}
