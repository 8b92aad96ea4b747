public import MarketModel

/// The names of kinds of data in files.
public enum FeedName {
    /// All names, beginning with the two that are wanted most.
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
