-- The loaded past of a source joined with its live data, for people: in the schema of 70_market.sql.
-- 37_history.sql says what counts where.

DO $market$
DECLARE
    market  name := current_schema() || '_market';
    comment text[];
BEGIN
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.history_seams AS
SELECT symbol, live_source, source AS history_source, ts, event_time_ns, provider_id, subscribed_at,
    loaded, loaded_from
FROM history_borders
$sql$, market);

    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.trades_joined AS
SELECT ts, symbol, price, size, exchange, conditions,
    CASE action WHEN 0 THEN 'new' WHEN 1 THEN 'correction' ELSE 'cancel' END AS action,
    flags & 64 = 0 AS is_reported, flags & 4 <> 0 AS is_backfilled, flags & 8 <> 0 AS is_delayed,
    flags & 16 <> 0 AS is_out_of_session, provider, provider_id, source, receive_time, event_time_ns,
    of_source, format('%%s/%%s/%%s', source, partition, ordinal) AS tick_id, live_source, is_seam
FROM trades_with_history
$sql$, market);

    -- Of each window one bar. DISTINCT ON takes the first of:
    --
    -- 0. a bar of the past that is whole, if all of its window was loaded
    -- 1. any other bar of the past, if its window ends before the seam
    -- 2. a live bar. That of the seam lacks its beginning
    -- 3. a bar of the past that is not whole, around the seam
    --
    -- The seam of bars is where live has every trade (live_from). Live bars that end before it have late
    -- trades alone, which the past has, too. Windows that ticks end are others in the past than live. One
    -- of the past that reaches over the seam would overlap live ones, and is left out: live has bars that
    -- begin in it, and none is the same window.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.bars_joined AS
SELECT symbol, series, ts, close_time, open, high, low, close, volume, vwap, trades,
    NOT partial AS is_whole, mixed_providers AS is_mixed, replaced + 1 AS version, reason, notional,
    excluded, number, source, filled AS is_filled,
    now() >= greatest(close_time, known_at) + lateness_ns / 1000 * interval '1 us' AS is_final, known_at,
    live_source, is_seam
FROM (
    SELECT DISTINCT ON (b.symbol, b.series, b.ts, b.number, coalesce(p.live_source, b.source)) b.*,
        coalesce(p.live_source, b.source) AS live_source,
        coalesce(b.ts <= p.live_from AND b.close_time > p.live_from, false) AS is_seam
    FROM bars b
    LEFT JOIN history_parts p ON p.symbol = b.symbol AND p.source = b.source
    WHERE NOT b.withdrawn AND CASE
        -- A window of one moment is an empty range, which all ranges contain.
        WHEN p.is_history AND p.other_loaded @> b.ts
            AND p.other_loaded @> tstzrange(b.ts, greatest(b.ts, b.close_time)) THEN false
        WHEN p.live_from IS NULL THEN true
        WHEN NOT p.is_history THEN b.close_time > p.live_from OR NOT p.all_loaded @> b.ts
        WHEN b.close_time <= p.live_from THEN true
        WHEN b.ts > p.live_from THEN false
        ELSE coalesce((SELECT bool_or((l.ts, l.number) = (b.ts, b.number)) FROM bars l
            WHERE l.symbol = b.symbol AND l.series = b.series AND l.source = p.live_source
                AND l.ts >= b.ts AND l.ts < b.close_time AND NOT l.withdrawn), true)
        END
    ORDER BY b.symbol, b.series, b.ts, b.number, coalesce(p.live_source, b.source),
        CASE WHEN p.is_history IS NOT TRUE THEN 2
            WHEN NOT b.partial AND p.loaded @> tstzrange(b.ts, greatest(b.ts, b.close_time)) THEN 0
            WHEN b.close_time > p.live_from THEN 3 ELSE 1 END,
        p.number DESC
) AS joined
$sql$, market);

    FOREACH comment SLICE 1 IN ARRAY ARRAY[
        ['VIEW history_seams', $$what was loaded of the past of each symbol, and the first live trade after it.
SELECT * FROM history_seams WHERE symbol = 'BTCUSDT'$$],
        ['VIEW trades_joined', $$trades with the loaded past of their source before them, as they came; without snapshots.
SELECT * FROM trades_joined WHERE symbol = 'BTCUSDT' AND live_source = 'binance' AND ts >= '2026-11-20' ORDER BY ts$$],
        ['VIEW bars_joined', $$candles with the loaded past of their source before them: of each window one.
SELECT * FROM bars_joined WHERE symbol = 'BTCUSDT' AND series = '1m' AND ts >= '2026-11-20' ORDER BY ts$$],
        ['COLUMN history_seams.ts', 'the seam: the time of the first live trade; NULL: there is none yet'],
        ['COLUMN history_seams.subscribed_at', 'when the live source first subscribed; NULL: not yet, or not known'],
        ['COLUMN history_seams.loaded', 'times of which all is loaded'],
        ['COLUMN history_seams.loaded_from', 'where the first load began, also one that did not reach its end'],
        ['COLUMN trades_joined.source', 'where the row came from: the live source or that of its past'],
        ['COLUMN trades_joined.live_source', 'the same for live rows and the past'],
        ['COLUMN trades_joined.is_seam', 'true: the first live trade after the past'],
        ['COLUMN trades_joined.action', 'new, correction or cancel; these two name a trade by event time and provider_id'],
        ['COLUMN trades_joined.tick_id', 'its address on the tape: source/partition/ordinal'],
        ['COLUMN bars_joined.ts', 'open time: the window is [ts, close_time)'],
        ['COLUMN bars_joined.source', 'whose ticks it is made of: the live source or that of its past'],
        ['COLUMN bars_joined.live_source', 'the same for live bars and the past'],
        ['COLUMN bars_joined.is_seam', 'true: the first live trade is in its window'],
        ['COLUMN bars_joined.is_whole', 'false: it overlaps a gap, or the seam without a bar of the past']
    ] LOOP
        EXECUTE format('COMMENT ON %s %I.%s IS %L', split_part(comment[1], ' ', 1), market,
            substr(comment[1], strpos(comment[1], ' ') + 1), comment[2]);
    END LOOP;
END
$market$;
