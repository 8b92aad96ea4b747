import MarketModel

/// The type of a column, for stores that take rows as columns (`ColumnWriter`).
package enum ColumnKind: Hashable, Sendable {
    case int64
    /// A number × 10^-scale.
    case decimal(scale: Int)
    case text
    case bool
    /// Microseconds since 1970.
    case time
    case json
    case bytes

    /// The columns that are not `int64`. A column has one type in all tables, but `detail`.
    private static let known: [String: ColumnKind] = {
        let kinds: [(ColumnKind, String)] = [
            (
                .text,
                """
                article ask_exchange basis bid_exchange body bulletin_kind change computed_from \
                conditions detail exchange extra input kind made_of market_maker name note \
                of_source operation provider publisher reason report requester series side sink \
                source state symbol unit
                """
            ),
            (.bool, "filled mixed_providers partial withdrawn"),
            (
                .time,
                """
                close_time from_time open_time period_end period_start provider_time receive_time \
                sent_at taken_at to_time ts
                """
            ),
            (.bytes, "content payload"),
            (.decimal(scale: 0), "provider_id"),
            (
                .decimal(scale: Price.decimals),
                """
                ask_price bid_price close dividends high low open option_price price \
                underlying_price value vwap
                """
            ),
            (.decimal(scale: Quantity.decimals), "ask_size bid_size size volume"),
            (.decimal(scale: Price.decimals + Quantity.decimals), "notional"),
            (.decimal(scale: Ratio.decimals), "delta gamma implied_volatility theta vega"),
        ]
        return kinds.reduce(into: [:]) { known, entry in
            for name in entry.1.split(separator: " ") { known[String(name)] = entry.0 }
        }
    }()

    /// The type of a column of this table.
    package static func of(_ column: String, in sink: SinkName) -> ColumnKind {
        if sink == .events, column == "detail" { return .json }
        return known[column] ?? .int64
    }

    /// Whether few rows have a text alone, in a column of this name.
    func isRepetitive(_ column: String) -> Bool {
        self == .text && !Self.freeTexts.contains(column)
    }

    private static let freeTexts: Set = [
        "article", "body", "detail", "extra", "note", "requester",
    ]
}
