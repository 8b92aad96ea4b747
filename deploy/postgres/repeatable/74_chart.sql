-- Bars for a chart, for people: in the schema of 70_market.sql.
--
-- A year has 31 million bars of a second, and a chart some hundred points. So the coarsest series that has
-- as many bars as the chart has points is read, and of others only so many bars are counted. A series is
-- as wide as its newest bar in the time. Long series (of an hour or more) are coarser than the others. Their
-- table has a partition for each year. That of the others, with one for each day, is looked at only for
-- symbols for which no long series is enough.

DO $market$
DECLARE
    market name := current_schema() || '_market';
BEGIN
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %I.bars_for_chart(
    wanted_symbols text[], from_ts timestamptz, to_ts timestamptz, points integer DEFAULT 500)
RETURNS TABLE (symbol text, series text, ts timestamptz, close_time timestamptz, open numeric,
    high numeric, low numeric, close numeric, volume numeric, trades bigint, is_whole boolean,
    is_filled boolean, source text)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
#variable_conflict use_column
DECLARE
    place      text;
    symbols    text[] := ARRAY(SELECT DISTINCT w.symbol FROM unnest(wanted_symbols) AS w (symbol));
    -- Symbol, series, table, width in seconds and bars of each series of time that has bars there.
    candidates jsonb := '[]';
BEGIN
    FOREACH place IN ARRAY '{bars_long,bars_short}'::text[] LOOP
        EXECUTE format($query$
            SELECT $1 || coalesce(jsonb_agg(to_jsonb(c)), '[]')
            FROM (
                SELECT w.symbol, s.series, %%1$L AS place, newest.width, counted.bars
                FROM unnest($2) AS w (symbol) CROSS JOIN bar_series s
                CROSS JOIN LATERAL (
                    SELECT extract(epoch FROM b.close_time - b.ts) AS width FROM %%1$I b
                    WHERE b.symbol = w.symbol AND b.series = s.series AND b.ts >= $3 AND b.ts < $4
                        AND b.number = 0 AND NOT b.withdrawn
                    ORDER BY b.ts DESC LIMIT 1
                ) AS newest
                CROSS JOIN LATERAL (
                    -- Of several sources each has a bar of a window.
                    SELECT count(*) AS bars FROM (
                        SELECT DISTINCT b.ts FROM %%1$I b
                        WHERE b.symbol = w.symbol AND b.series = s.series AND b.ts >= $3
                            AND b.ts < $4 AND b.number = 0 AND NOT b.withdrawn
                        ORDER BY b.ts LIMIT $5
                    ) AS first
                ) AS counted
                WHERE s.is_long = (%%1$L = 'bars_long')
            ) AS c
        $query$, place) INTO candidates USING candidates, symbols, from_ts, to_ts, points;
        symbols := ARRAY(
            SELECT w.symbol FROM unnest(symbols) AS w (symbol)
            EXCEPT
            SELECT c.symbol FROM jsonb_to_recordset(candidates) AS c (symbol text, bars bigint)
            WHERE c.bars >= points);
        EXIT WHEN cardinality(symbols) = 0;
    END LOOP;
    -- Where none has enough, the one with the most bars.
    candidates := (SELECT jsonb_agg(to_jsonb(c)) FROM (
        SELECT DISTINCT ON (c.symbol) c.*
        FROM jsonb_to_recordset(candidates) AS c (symbol text, series text, place text,
            width numeric, bars bigint)
        ORDER BY c.symbol, c.bars DESC, c.width DESC, c.series) AS c);
    FOR place IN SELECT DISTINCT c.place FROM jsonb_to_recordset(candidates) AS c (place text) LOOP
        RETURN QUERY EXECUTE format($query$
            SELECT b.* FROM jsonb_to_recordset($1) AS c (symbol text, series text, place text)
            CROSS JOIN LATERAL (
                SELECT b.symbol, b.series, b.ts, b.close_time, b.open, b.high, b.low, b.close,
                    b.volume, b.trades, NOT b.partial, b.filled, b.source
                FROM %%1$I b
                WHERE b.symbol = c.symbol AND b.series = c.series AND b.ts >= $2 AND b.ts < $3
                    AND b.number = 0 AND NOT b.withdrawn
                ORDER BY b.ts, b.source
            ) AS b
            WHERE c.place = %%1$L
        $query$, place) USING candidates, from_ts, to_ts;
    END LOOP;
END
$function$
$sql$, market);
    EXECUTE format(
        'COMMENT ON FUNCTION %I.bars_for_chart(text[], timestamptz, timestamptz, integer) IS %L', market,
        $$bars of the coarsest series that has as many as a chart has points, of each symbol.
SELECT * FROM bars_for_chart('{AAPL}', '2026-11-20', '2026-11-21', 300)$$);
END
$market$;
