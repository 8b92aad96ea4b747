package import MarketModel

/// The names of feeds in lists of instruments.
package enum FeedName {
    /// All names. Messages list them in this order, so the two that are wanted most come first.
    package static let all: [(name: String, value: Instrument.Feeds)] = [
        ("quotes", .level1), ("bars", .bars), ("trades", .trades), ("all-trades", .allTrades),
        ("bid-ask", .quotes), ("midpoints", .midpoints), ("depth", .depth),
        ("smart-depth", .smartDepth), ("computations", .computations), ("news", .news),
        ("fundamentals", .fundamentals), ("daily-history", .dailyHistory),
        ("indicators", .indicators),
    ]

    /// Returns the names of the feeds, in the order of `all`.
    package static func names(of feeds: Instrument.Feeds) -> [String] {
        all.filter { feeds.contains($0.value) }.map(\.name)
    }
}
