import StoreSinks

/// The types of the columns that the sinks fill, by the names that `format_type` gives them. Rows
/// are sent in binary, so a value for another type is not converted, but refused or even misread.
enum ColumnTypes {
    /// Returns the types by column. A column name has the same type in every table, except those in
    /// `differing`.
    static func of(_ sink: SinkName) -> [String: String] {
        types.merging(differing[sink.rawValue] ?? [:]) { $1 }
    }

    private static let types: [String: String] = {
        var types: [String: String] = [:]
        for (type, names) in byType {
            for name in names { types[name] = type }
        }
        return types
    }()

    private static let byType: [(String, [String])] = [
        (
            "timestamp with time zone",
            [
                "ts", "provider_time", "receive_time", "open_time", "close_time", "from_time",
                "to_time", "period_start", "period_end", "sent_at", "taken_at",
            ]
        ),
        (
            "bigint",
            [
                "event_time_ns", "receive_time_ns", "open_time_ns", "close_time_ns",
                "from_time_ns", "to_time_ns", "epoch", "ordinal", "number", "trades", "excluded",
                "excluded_condition", "excluded_odd_lot", "excluded_filter",
                "excluded_undefined", "generation", "revision", "lost_first_ordinal",
                "lost_last_ordinal", "position", "part", "parts", "document_bytes",
                "period_start_ns", "period_end_ns", "provider_time_ns", "of_ordinal",
                "lateness_ns",
            ]
        ),
        (
            "text",
            [
                "symbol", "series", "exchange", "conditions", "provider", "source",
                "bid_exchange", "ask_exchange", "reason", "sink", "input", "detail", "kind",
                "state", "operation", "side", "market_maker", "computed_from", "basis",
                "publisher", "article", "body", "extra", "bulletin_kind", "report", "name",
                "unit", "made_of", "of_source", "change", "requester", "note",
            ]
        ),
        (
            "numeric",
            [
                "price", "size", "provider_id", "bid_price", "bid_size", "ask_price", "ask_size",
                "open", "high", "low", "close", "volume", "vwap", "notional", "implied_volatility",
                "delta", "gamma", "vega", "theta", "option_price", "dividends",
                "underlying_price", "value",
            ]
        ),
        ("smallint", ["action", "time_resolution", "book_flags", "bar_flags"]),
        ("integer", ["flags", "partition", "template"]),
        ("bytea", ["content", "payload"]),
        ("boolean", ["partial", "mixed_providers", "withdrawn", "filled"]),
    ]

    private static let narrow = [
        "ts_rest_ns": "smallint", "receive_rest_ns": "smallint", "flags": "smallint",
        "partition": "smallint",
    ]

    private static let differing: [String: [String: String]] = [
        "events": ["detail": "jsonb"], "trades": narrow, "quotes": narrow,
    ]
}
