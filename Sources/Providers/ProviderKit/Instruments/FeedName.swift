package import MarketModel

/// The names of kinds of data in files.
package enum FeedName {
    /// All names, beginning with the two that are wanted most.
    package static let all: [(name: String, value: Instrument.Feeds)] = [
        ("quotes", .level1), ("bars", .bars), ("trades", .trades), ("all-trades", .allTrades),
        ("bid-ask", .quotes), ("midpoints", .midpoints), ("depth", .depth),
        ("smart-depth", .smartDepth), ("computations", .computations), ("news", .news),
        ("fundamentals", .fundamentals), ("daily-history", .dailyHistory),
    ]

    package static func names(of feeds: Instrument.Feeds) -> [String] {
        all.filter { feeds.contains($0.value) }.map(\.name)
    }
}
