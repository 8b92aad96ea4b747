public import MarketModel

/// How kinds of data are called in files.
public enum FeedName {
    /// The two that most people want first.
    public static let all: [(name: String, value: Instrument.Feeds)] = [
        ("quotes", .level1), ("bars", .bars), ("trades", .trades), ("all-trades", .allTrades),
        ("bid-ask", .quotes), ("midpoints", .midpoints), ("depth", .depth),
        ("smart-depth", .smartDepth), ("computations", .computations), ("news", .news),
        ("fundamentals", .fundamentals), ("daily-history", .dailyHistory),
    ]

    public static func names(of feeds: Instrument.Feeds) -> [String] {
        all.filter { feeds.contains($0.value) }.map(\.name)
    }
}
