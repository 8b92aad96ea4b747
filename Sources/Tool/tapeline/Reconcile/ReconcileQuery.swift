/// The statement of `tapeline reconcile`. It runs with the market views in the search path.
enum ReconcileQuery {
    /// The kinds of volume that providers count differently, as the statement returns them.
    static let kinds = [
        "odd_lots", "out_of_session", "unreported", "delayed", "late", "backfilled", "duplicates",
        "cancelled",
    ]

    /// Returns the statement. Its parameters: the day's beginning and end, symbols, a source.
    ///
    /// Of a provider's bars those of the longest width count, each as it came last: the day's bar,
    /// or all of the day's shorter ones. Only trades within these windows are compared. Gaps are
    /// judged by the provider's bars of the shortest width, if these are shorter.
    static func sql(namespace: String, rowsMax: Int) -> String {
        [provided(namespace), ours, result(rowsMax)].joined(separator: "\n")
    }

    /// The provider's bars, the windows that are compared, and the gaps in them.
    private static func provided(_ namespace: String) -> String {
        """
        WITH provided AS MATERIALIZED (
            SELECT DISTINCT ON (symbol, source, open_time, close_time) *
            FROM (SELECT symbol, source, open_time, volume, bar_flags, receive_time_ns, ordinal,
                    ts AS close_time
                FROM "\(namespace)".provider_bars
                WHERE made_of = 'trades' AND volume IS NOT NULL AND open_time < ts
                    AND open_time >= $1 AND open_time < $2 AND ts > $1
                    AND ts <= $2::timestamptz + interval '2 days'
                    AND (cardinality($3::text[]) = 0 OR symbol = ANY ($3::text[]))
                    AND ($4::text IS NULL OR source = $4)) AS p
            ORDER BY symbol, source, open_time, close_time, receive_time_ns DESC, ordinal DESC
        ), ranked AS MATERIALIZED (
            SELECT *, close_time - open_time AS width,
                max(close_time - open_time) OVER w AS longest,
                min(close_time - open_time) OVER w AS shortest
            FROM provided WINDOW w AS (PARTITION BY symbol, source)
        ), days AS MATERIALIZED (
            SELECT symbol, source, sum(volume) AS volume, count(*) AS bars, longest, shortest,
                range_agg(tstzrange(open_time, close_time)) AS windows, min(open_time) AS from_time,
                max(close_time) AS to_time, bool_or(bar_flags & 1 <> 0) AS in_progress
            FROM ranked WHERE width = longest
            GROUP BY symbol, source, longest, shortest
        ), span AS (
            SELECT coalesce(min(from_time), $1) AS low, coalesce(max(to_time), $2) AS high FROM days
        ), listed AS MATERIALIZED (
            SELECT format('%s/%s/%s', l.of_source, l.partition, l.of_ordinal) AS tick_id,
                bool_or(l.reason = 'duplicate') AS is_duplicate
            FROM "\(namespace)".late_ticks l, span
            WHERE l.kind = 'trade' AND l.ts >= span.low AND l.ts < span.high
            GROUP BY 1
        ), gap_time AS MATERIALIZED (
            SELECT d.symbol, d.source, range_agg(tstzrange(g.from_time,
                coalesce(g.to_time, d.to_time)) * tstzrange(d.from_time, d.to_time)) AS missing
            FROM days d JOIN open_gaps g ON g.source = d.source AND g.kind = 'trade'
                AND coalesce(g.symbol, d.symbol) = d.symbol
            WHERE g.from_time < d.to_time AND coalesce(g.to_time, d.to_time) > d.from_time
            GROUP BY 1, 2
        ), gap_bars AS MATERIALIZED (
            SELECT r.symbol, r.source, sum(r.volume) AS volume,
                range_agg(tstzrange(r.open_time, r.close_time)) AS windows
            FROM ranked r JOIN gap_time g USING (symbol, source)
            WHERE r.width = r.shortest AND r.shortest < r.longest
                AND g.missing && tstzrange(r.open_time, r.close_time)
            GROUP BY 1, 2
        )
        """
    }

    /// The trades of these windows, and their volume by kind.
    private static let ours = """
        , told AS MATERIALIZED (
            SELECT t.symbol, t.source, e.tick_id IS NOT NULL AS counts,
                coalesce(e.size, t.size) AS size, t.is_reported, t.is_backfilled, t.is_delayed,
                t.is_out_of_session, coalesce(l.is_duplicate, false) AS is_duplicate,
                l.tick_id IS NOT NULL AND NOT l.is_duplicate AS is_late,
                coalesce(b.windows @> t.ts, false) AS is_in_gap_bar
            FROM span JOIN trades t ON t.ts >= span.low AND t.ts < span.high
            JOIN days d ON (d.symbol, d.source) = (t.symbol, t.source) AND d.windows @> t.ts
            LEFT JOIN trades_effective e ON (e.symbol, e.ts, e.tick_id)
                = (t.symbol, t.ts, t.tick_id)
            LEFT JOIN listed l ON l.tick_id = t.tick_id
            LEFT JOIN gap_bars b ON (b.symbol, b.source) = (t.symbol, t.source)
            WHERE t.action = 'new' AND t.size IS NOT NULL AND t.size >= 0
        ), sums AS (
            SELECT symbol, source,
                sum(size) FILTER (WHERE counts) AS counted,
                sum(size) FILTER (WHERE counts AND size < 100) AS odd_lots,
                sum(size) FILTER (WHERE counts AND is_out_of_session) AS out_of_session,
                sum(size) FILTER (WHERE counts AND NOT is_reported) AS unreported,
                sum(size) FILTER (WHERE counts AND is_delayed) AS delayed,
                sum(size) FILTER (WHERE counts AND is_late) AS late,
                sum(size) FILTER (WHERE counts AND is_backfilled) AS backfilled,
                sum(size) FILTER (WHERE counts AND is_duplicate) AS duplicates,
                sum(size) FILTER (WHERE NOT counts) AS cancelled,
                sum(size) FILTER (WHERE counts AND is_in_gap_bar) AS in_gap_bars
            FROM told GROUP BY 1, 2
        )
        """

    private static func result(_ rowsMax: Int) -> String {
        """
        SELECT d.symbol, d.source, d.volume, coalesce(s.counted, 0), d.bars,
            \(MarketSession.shown("d.from_time")), \(MarketSession.shown("d.to_time")),
            d.in_progress, coalesce((SELECT round(extract(epoch FROM sum(upper(m) - lower(m))), 3)
                FROM unnest(g.missing) AS m), 0),
            b.volume - coalesce(s.in_gap_bars, 0),
            \(kinds.map { "coalesce(s.\($0), 0)" }.joined(separator: ", "))
        FROM days d LEFT JOIN sums s USING (symbol, source)
        LEFT JOIN gap_time g USING (symbol, source) LEFT JOIN gap_bars b USING (symbol, source)
        ORDER BY d.symbol, d.source LIMIT \(rowsMax)
        """
    }
}
