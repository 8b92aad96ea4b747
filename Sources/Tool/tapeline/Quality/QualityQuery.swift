/// The statements of `tapeline quality`. They run with the market views in the search path. Their
/// parameters: the day's beginning and end, symbols, a source.
struct QualityQuery {
    let namespace: String

    /// Restricts rows to the symbols and the source.
    private static func chosen(_ source: String = "source") -> String {
        """
        (cardinality($3::text[]) = 0 OR symbol = ANY ($3::text[]))
            AND ($4::text IS NULL OR \(source) = $4)
        """
    }

    private static func inDay(_ source: String = "source") -> String {
        "ts >= $1 AND ts < $2 AND \(chosen(source))"
    }

    /// Ticks, duplicates and late ones by symbol and source, bars of all series, and the time that
    /// lies in gaps of trades. A gap without a symbol counts for each symbol of its source that the
    /// day has, also if it is of one partition; time that several gaps have counts once. The fifth
    /// parameter is the number of seconds after which a symbol counts as silent.
    func symbols(rowsMax: Int) -> String {
        """
        WITH ticks AS (
            SELECT symbol, source, ts, is_backfilled, action <> 'new' AS is_change FROM trades
            WHERE \(Self.inDay())
            UNION ALL
            SELECT symbol, source, ts, is_backfilled, false FROM quotes WHERE \(Self.inDay())
        ), paused AS (
            SELECT *, ts - lag(ts) OVER (PARTITION BY symbol, source ORDER BY ts) AS pause
            FROM ticks
        ), counted AS (
            SELECT symbol, source, count(*) AS ticks, count(*) FILTER (WHERE is_backfilled)
                AS backfilled, count(*) FILTER (WHERE is_change) AS changes,
                count(*) FILTER (WHERE pause >= $5::bigint * interval '1 s') AS silent,
                max(pause) AS pause
            FROM paused GROUP BY 1, 2
        ), listed AS (
            SELECT symbol, of_source AS source,
                count(DISTINCT (partition, of_ordinal)) FILTER (WHERE reason <> 'duplicate')
                    AS late,
                count(DISTINCT (partition, of_ordinal)) FILTER (WHERE reason = 'duplicate')
                    AS duplicates
            FROM "\(namespace)".late_ticks WHERE \(Self.inDay("of_source")) GROUP BY 1, 2
        ), made AS (
            SELECT symbol, source, count(*) AS bars, count(*) FILTER (WHERE partial) AS partial,
                count(*) FILTER (WHERE replaced > 0) AS rewritten
            FROM "\(namespace)".bars WHERE \(Self.inDay()) GROUP BY 1, 2
        ), known AS (
            SELECT symbol, source FROM counted UNION SELECT symbol, source FROM listed
            UNION SELECT symbol, source FROM made
        ), lost AS (
            SELECT coalesce(g.symbol, k.symbol) AS symbol, g.source, g.from_time,
                coalesce(g.to_time, now()) AS to_time
            FROM open_gaps g LEFT JOIN known k ON g.symbol IS NULL AND k.source = g.source
            WHERE g.kind = 'trade' AND g.from_time < $2
        ), joined AS (
            SELECT symbol, source,
                range_agg(tstzrange(greatest(from_time, $1), least(to_time, $2))) AS stretches
            FROM lost WHERE symbol IS NOT NULL AND to_time > greatest(from_time, $1)
                AND \(Self.chosen())
            GROUP BY 1, 2
        ), missed AS (
            SELECT symbol, source, sum(upper(stretch) - lower(stretch)) AS missing
            FROM joined CROSS JOIN LATERAL unnest(stretches) AS piece (stretch) GROUP BY 1, 2
        )
        SELECT symbol, source, coalesce(ticks, 0), coalesce(late, 0), coalesce(duplicates, 0),
            coalesce(changes, 0), coalesce(backfilled, 0), coalesce(bars, 0),
            coalesce(partial, 0), coalesce(rewritten, 0),
            coalesce(round(extract(epoch FROM missing), 3), 0), coalesce(silent, 0),
            coalesce(round(extract(epoch FROM pause), 3), 0)
        FROM counted FULL JOIN listed USING (symbol, source) FULL JOIN made USING (symbol, source)
        FULL JOIN missed USING (symbol, source)
        ORDER BY 1, 2 LIMIT \(rowsMax)
        """
    }

    /// Rows that the database refused and that are not stored yet, by source. The books have no
    /// day.
    var refused: String {
        """
        SELECT source, sum(dead_lettered - replayed)::text FROM "\(namespace)".sink_audit
        GROUP BY 1 HAVING sum(dead_lettered - replayed) > 0 ORDER BY 1
        """
    }

    /// Ticks, late ticks and rewritten bars by hour of the day.
    var hours: String {
        """
        SELECT h, (SELECT count(*) FROM trades WHERE \(Self.inDay()) AND \(Self.isInHour))
                + (SELECT count(*) FROM quotes WHERE \(Self.inDay()) AND \(Self.isInHour)),
            (SELECT count(DISTINCT (of_source, partition, of_ordinal))
                FROM "\(namespace)".late_ticks WHERE reason <> 'duplicate'
                    AND \(Self.inDay("of_source")) AND \(Self.isInHour)),
            (SELECT count(*) FROM "\(namespace)".bars WHERE replaced > 0 AND \(Self.inDay())
                AND \(Self.isInHour))
        FROM generate_series(0, 23) AS hours (h) ORDER BY h
        """
    }

    private static let isInHour = """
        ts >= $1::timestamptz + h * interval '1 h'
            AND ts < $1::timestamptz + (h + 1) * interval '1 h'
        """
}
