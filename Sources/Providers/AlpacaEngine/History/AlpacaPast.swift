package import EngineKit
package import Primitives

/// Whose past is loaded.
package enum AlpacaPastFeed: String, CaseIterable, Sendable {
    /// US stocks, the exchange IEX alone.
    case iex
    /// US stocks, all exchanges. Without a paid account the last quarter of an hour is refused.
    case sip
    case crypto

    /// The past of what a stream has; `nil`: it has none.
    package init?(_ feed: AlpacaFeedName) {
        switch feed {
        case .iex: self = .iex
        case .sip, .delayedSip: self = .sip
        case .crypto: self = .crypto
        case .test: return nil
        }
    }
}

// The lengths of the service's bars that are asked for.
extension BarLength {
    package static let ofAlpaca: [BarLength] = [
        .minute, .fiveMinutes, .fifteenMinutes, .halfHour, .hour, .fourHours, .day,
    ]

    /// The service's word for it, as `5Min`.
    fileprivate var word: String {
        switch unit {
        case .second, .minute: "\(count)Min"
        case .hour: "\(count)Hour"
        case .day, .week: "\(count)Day"
        }
    }
}

/// Bounds of requests that are no settings.
package enum AlpacaPastLimits {
    /// The rows that one page has, as the service allows.
    package static let rowsMax = 10_000
    /// The time between two requests. A free account has 200 of them a minute; a quarter is left
    /// to others of the account.
    package static let requestInterval: Int64 = 400_000_000
    /// The longest token of a page that is sent back, in bytes.
    static let tokenBytesMax = 2_048
    /// A free account gets trades of all exchanges after a quarter of an hour, and a minute more
    /// for clocks that differ.
    static let sipAge: Int64 = 960_000_000_000
}

/// A request for a page.
package struct AlpacaPastRequest: PastRequest, Hashable {
    /// What the page has: trades, or bars of a length.
    package enum What: Hashable, Sendable {
        case trades
        case bars(BarLength)
    }

    package let number: UInt64
    package let symbol: String
    package let what: What
    let feed: AlpacaPastFeed
    /// The first and the last time that a row may have.
    package let from: Timestamp
    package let to: Timestamp
    package let rows: Int
    /// Where the page begins; empty: at the first time.
    package let token: String

    package var interval: Int64 { AlpacaPastLimits.requestInterval }

    package var target: String {
        let folder = feed == .crypto ? "/v1beta3/crypto/us" : "/v2/stocks"
        let pairs = query.map { "\($0)=\($1.percentEncoded())" }
        return "\(folder)/\(what == .trades ? "trades" : "bars")?\(pairs.joined(separator: "&"))"
    }

    private var query: [(name: String, value: String)] {
        var query = [
            ("symbols", symbol), ("start", "\(from)"), ("end", "\(to)"), ("limit", "\(rows)"),
            ("sort", "asc"),
        ]
        if case .bars(let length) = what {
            query.append(("timeframe", length.word))
        }
        if feed != .crypto {
            query.append(("feed", feed.rawValue))
            if what != .trades { query.append(("adjustment", "raw")) }
        }
        if !token.isEmpty { query.append(("page_token", token)) }
        return query
    }
}
