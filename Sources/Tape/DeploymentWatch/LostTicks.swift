/// What of a day's ticks and bars nothing will fill any more. Pure.
package enum LostTicks {
    /// A gap that nothing will fill. Its times are seconds since 1970.
    package struct Gap: Sendable {
        /// `nil`: all symbols of a source in one partition.
        let symbol: String?
        let kind: String
        let from: Double
        /// `nil` while it lasts.
        let to: Double?
        let notedAt: Double?

        package init(symbol: String?, kind: String, from: Double, to: Double?, notedAt: Double?) {
            self.symbol = symbol
            self.kind = kind
            self.from = from
            self.to = to
            self.notedAt = notedAt
        }
    }

    /// The kinds of ticks and bars, with their words. A gap of others, like indicators, loses none.
    private static let counted = [
        ("trade", "trades"), ("quote", "quotes"), ("depth", "depth"),
        ("provider_bar", "provider bars"),
    ]

    /// Returns what is lost since the beginning of the day, in words: "26 s of trades and quotes of
    /// 4 symbols". `nil`: nothing. `isCut`: there may be more gaps.
    package static func words(_ gaps: [Gap], since dayStart: Double, isCut: Bool) -> String? {
        let lost = gaps.filter { gap in
            (gap.to ?? .infinity) > max(dayStart, gap.from)
                && counted.contains { $0.0 == gap.kind }
        }
        guard !lost.isEmpty else { return nil }
        let kinds = counted.filter { kind in lost.contains { $0.kind == kind.0 } }.map(\.1)
        // Time that several gaps have counts once.
        var (seconds, end) = (0.0, dayStart)
        for gap in lost.sorted(by: { $0.from < $1.from }) {
            let to = gap.to ?? gap.notedAt ?? gap.from
            seconds += max(0, to - max(end, gap.from))
            end = max(end, to)
        }
        let symbols = Set(lost.compactMap(\.symbol)).count
        let isWhole = lost.contains { $0.symbol == nil }
        let names = symbols == 1 ? "1 symbol" : "\(symbols) symbols"
        let what = symbols == 0 ? "whole partitions" : names + (isWhole ? " and more" : "")
        return "\(isCut ? "at least " : "")\(SpanText.short(seconds)) of "
            + "\(kinds.joined(separator: " and ")) of \(what)"
    }

    /// The line below the verdict.
    package static func line(_ words: String) -> String {
        "LOST TODAY: \(words), which nothing will fill"
    }

    /// Returns a line of the verdict beside what is lost: that all is good now does not bring it
    /// back.
    package static func beside(_ verdict: String) -> String {
        guard verdict.hasPrefix(WatchVerdict.allGood) else { return verdict }
        return "\(WatchVerdict.allGood) now\(verdict.dropFirst(WatchVerdict.allGood.count))"
    }
}
