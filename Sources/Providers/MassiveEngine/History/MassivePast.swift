package import EngineKit
internal import Primitives

// The lengths of the service's bars that are asked for.
extension BarLength {
    package static let ofMassive: [BarLength] = [
        .second, .minute, .fiveMinutes, .fifteenMinutes, .halfHour, .hour, .fourHours, .day,
    ]

    /// The service's words for it, with a slash between.
    var words: String { "\(count)/\(unit)" }

    /// Of how many of the service's own bars it is made: of minutes, but for seconds and days. So
    /// many count against the limit of a page.
    var parts: Int {
        unit == .minute || unit == .hour ? Int(nanoseconds / BarLength.minute.nanoseconds) : 1
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
package struct MassivePastRequest: PastRequest, Hashable {
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
