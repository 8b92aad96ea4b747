import HotState
import MarketModel
import Primitives
import StoreSinks
import TapeCodec

/// The tables from which values of the hot state are read, and their statements.
///
/// A statement looks at the newest rows of each symbol, by the index of symbol and time, and takes
/// the last one of each source. It reads the position of the row's partition in the same snapshot.
enum HotFillTable: CaseIterable {
    case trades
    case quotes
    case shortBars
    case longBars
    case providerBars
    /// The bars of a provider that `providerBars` does not find: many shorter ones came since.
    case longProviderBars
    /// The last change of each book. The rows are not read: they follow from all changes since the
    /// last reset.
    case books

    /// The least length of a bar of `longProviderBars`. `providerBars` finds shorter ones: those of
    /// the last `HotFiller.rowsOfProviderBars` rows.
    private static let longSeconds = 300
    /// For how long each end of 5 minutes is looked at. Before that only those of 15 minutes are:
    /// longer bars end there, also where a session ends.
    private static let recentHours = 2

    /// The sink that fills it.
    var sink: SinkName {
        switch self {
        case .trades: .trades
        case .quotes: .quotes
        case .shortBars, .longBars: .bars
        case .providerBars, .longProviderBars: .providerBars
        case .books: .depth
        }
    }

    /// The kind of the packets that bring its rows.
    var kind: PacketKind {
        switch self {
        case .trades, .quotes, .providerBars, .longProviderBars, .books: .ticks
        case .shortBars, .longBars: .bars
        }
    }

    /// How long before its end a row's `ts` may be at most: the widest window of the table.
    var windowNanoseconds: Int64 {
        switch self {
        case .trades, .quotes, .providerBars, .longProviderBars, .books: 0
        case .shortBars: 3_600_000_000_000
        case .longBars: 31 * 86_400_000_000_000
        }
    }

    /// Finds the next symbols in their order. $1: the symbol before them, $2: the time from which
    /// on rows count, the beginning of a day, $3: their number at most. Each step jumps to the next
    /// symbol in the indexes, so that the number of rows does not matter.
    static let symbols = """
        WITH RECURSIVE known AS (
            SELECT 0 AS place, $1::text AS symbol
            UNION ALL
            SELECT known.place + 1, (SELECT min(n.symbol) FROM (\(nextSymbols)) AS n)
            FROM known WHERE known.symbol IS NOT NULL AND known.place < $3)
        SELECT symbol FROM known WHERE place > 0 AND symbol IS NOT NULL ORDER BY place
        """

    private static let nextSymbols = [
        "trade_rows", "quote_rows", "bars_short", "provider_bars", "depth",
    ].map {
        """
        (SELECT t.symbol FROM \($0) t WHERE t.symbol > known.symbol AND t.ts >= $2
            ORDER BY t.symbol LIMIT 1)
        """
    }.joined(separator: " UNION ALL ")

    /// Counts the sources whose ticks are stored. $1: the key of the writer's positions.
    static let sources = """
        SELECT count(DISTINCT source) FROM sink_source_ordinals WHERE (sink, input) = ($1, 'ticks')
        """

    /// Reads the newest rows. $1: symbols, $2: the time from which on rows count, $3: the number of
    /// rows of a symbol that are looked at, $4: the key of the writer's positions. The columns
    /// begin with those of `HotFillRow`. A time in the future is wrong, and would win for as long.
    var newest: String {
        switch self {
        case .trades:
            ticks("trade_rows", where: "AND t.action = 0", "n.price, n.size, n.exchange")
        case .quotes:
            ticks(
                "quote_rows",
                "n.bid_price, n.bid_size, n.ask_price, n.ask_size, n.bid_exchange, n.ask_exchange")
        case .shortBars: bars("bars_short", isLong: false)
        case .longBars: bars("bars_long", isLong: true)
        case .books:
            select(
                "depth t", where: "",
                Choice(source: "n.source", one: "r.source", last: ["ts", "ordinal"]),
                "n.event_time_ns, n.receive_time_ns, n.flags")
        case .providerBars: providerBars("")
        case .longProviderBars:
            providerBars(
                """
                AND t.event_time_ns - t.open_time_ns >= \(Self.longSeconds)::bigint * 1000000000
                AND t.ts = ANY (ARRAY(
                    SELECT generate_series(
                        date_bin('15 minutes', $2, 'epoch'), now(), interval '15 minutes')
                    UNION SELECT generate_series(
                        date_bin(
                            '5 minutes', now() - interval '\(Self.recentHours) hours', 'epoch'),
                        now(), interval '5 minutes')))
                """)
        }
    }

    private func providerBars(_ condition: String) -> String {
        select(
            "provider_bars t", where: "AND t.open_time_ns IS NOT NULL \(condition)",
            Choice(
                source: "n.source",
                one: "r.source, r.made_of, r.event_time_ns - r.open_time_ns",
                last: ["ts", "ordinal"]),
            """
            n.receive_time_ns, n.open_time_ns, n.event_time_ns,
            array_position('{trades,midpoint,bid,ask,bid_ask,historical_volatility,\
            implied_volatility}'::text[], n.made_of), n.open, n.high, n.low, n.close, n.vwap,
            n.volume, n.trades, n.bar_flags, n.flags
            """)
    }

    /// Which rows are chosen.
    private struct Choice {
        /// The source to which a row belongs.
        let source: String
        /// The columns of which each combination has one row.
        let one: String
        /// The columns by which the last row is found.
        let last: [String]

        func order(of alias: String) -> String {
            last.map { "\(alias).\($0) DESC" }.joined(separator: ", ")
        }
    }

    private func ticks(_ table: String, where condition: String = "", _ fields: String) -> String {
        let times = [("ts", "ts_rest_ns"), ("receive_time", "receive_rest_ns")].map { time, rest in
            """
            CASE WHEN n.\(rest) >= 0 THEN
                (extract(epoch FROM n.\(time)) * 1000000000 + n.\(rest))::bigint END
            """
        }.joined(separator: ", ")
        return select(
            "\(table) t", where: condition,
            Choice(
                source: "coalesce(nullif(n.of_source, ''), n.source)",
                one: "coalesce(nullif(r.of_source, ''), r.source)", last: ["ts", "ordinal"]),
            "\(times), n.flags, \(fields)")
    }

    private func bars(_ table: String, isLong: Bool) -> String {
        select(
            "\(table) t", where: "AND t.series = s.series AND NOT t.withdrawn",
            beside: "CROSS JOIN (SELECT series FROM bar_series WHERE is_long = \(isLong)) AS s",
            Choice(source: "n.source", one: "r.source", last: ["ts", "number"]),
            """
            n.series, n.open_time_ns, n.close_time_ns, n.number, n.open, n.high, n.low, n.close,
            n.volume, n.vwap, n.trades, n.partial
            """)
    }

    private func select(
        _ table: String, where condition: String, beside: String = "", _ choice: Choice,
        _ fields: String
    ) -> String {
        """
        SELECT n.partition, p.stream_created_ns, p.sequence, n.symbol, \(choice.source), \(fields)
            \(kind == .ticks ? ", n.ordinal, n.source" : "")
        FROM unnest($1::text[]) AS w (symbol) \(beside)
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (\(choice.one)) r.*
            FROM (SELECT * FROM \(table)
                WHERE t.symbol = w.symbol AND t.ts >= $2 AND t.ts <= now() + interval '5 minutes'
                    \(condition)
                ORDER BY \(choice.order(of: "t")) LIMIT $3) AS r
            ORDER BY \(choice.one), \(choice.order(of: "r"))) AS n
        JOIN reached_positions p ON (p.sink, p.input, p.partition)
            = ($4, '\(kind == .bars ? "bars" : "ticks")', n.partition)
        WHERE p.sequence > 0
        """
    }
}
