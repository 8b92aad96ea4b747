-- What was known of bars at a time of the past, for people: in the schema of 70_market.sql.
--
-- A version was known from the latest time on that its clocks say (known_at; 35_bars.sql).

DO $market$
DECLARE
    market  name := current_schema() || '_market';
    comment text[];
BEGIN
    -- Every stored version of every bar. The versions above one are all stored, so its number is that of
    -- the bar's last one, less those above it.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.bar_versions AS
SELECT symbol, series, ts, close_time, open, high, low, close, volume, vwap, trades,
    NOT partial AS is_whole, mixed_providers AS is_mixed,
    max(replaced) OVER bar + 2 - row_number() OVER (bar ORDER BY revision DESC) AS version,
    reason, notional, excluded, number, source, filled AS is_filled, withdrawn AS is_withdrawn,
    known_at, sent_at, replaced IS NOT NULL AS is_standing, revision
FROM (
    SELECT symbol, series, ts, close_time, open, high, low, close, volume, vwap, trades, partial,
        mixed_providers, replaced, reason, notional, excluded, number, source, filled, withdrawn,
        known_at, sent_at, revision
    FROM bars
    UNION ALL
    SELECT symbol, series, ts, close_time, open, high, low, close, volume, vwap, trades, partial,
        mixed_providers, NULL, reason, notional, excluded, number, source, filled, withdrawn,
        known_at, sent_at, revision
    FROM replaced_bars
) AS stored
WINDOW bar AS (PARTITION BY symbol, series, ts, number, source)
$sql$, market);

    -- Why the answer about a bar is uncertain: `why`. Without a version that is known to have been
    -- known (is_known), nothing was, as far as `why` is NULL.
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %I.bars_as_of(
    t timestamptz, wanted_symbols text[], wanted_series text, from_ts timestamptz,
    to_ts timestamptz, with_uncertain boolean DEFAULT false)
RETURNS TABLE (symbol text, series text, ts timestamptz, close_time timestamptz, open numeric,
    high numeric, low numeric, close numeric, volume numeric, vwap numeric, trades bigint,
    is_whole boolean, is_mixed boolean, version bigint, reason text, notional numeric,
    excluded bigint, number bigint, source text, is_filled boolean, is_final boolean,
    known_at timestamptz, is_uncertain boolean)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM check_as_of('bars_as_of', t, 'bars', wanted_symbols, ARRAY[wanted_series], from_ts, to_ts,
        with_uncertain);
    RETURN QUERY
    SELECT v.symbol, v.series, v.ts, v.close_time, v.open, v.high, v.low, v.close, v.volume, v.vwap,
        v.trades, NOT v.partial, v.mixed_providers, v.version, v.reason, v.notional, v.excluded,
        v.number, v.source, v.filled,
        t >= coalesce(v.known_at, v.close_time) + v.lateness_ns / 1000 * interval '1 us',
        v.known_at, v.why IS NOT NULL
    FROM versions_as_of(t, wanted_symbols, wanted_series, from_ts, to_ts) v
    WHERE v.why IS NOT NULL OR (v.is_known AND NOT v.withdrawn)
    ORDER BY v.symbol, v.ts, v.number, v.source;
END
$function$
$sql$, market);

    -- How long after the first version a later one was known. `unknown` are those of bars of which one
    -- of the two times is not known.
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.rewritten(
    from_ts timestamptz, to_ts timestamptz, wanted_symbols text[] DEFAULT NULL,
    wanted_series text DEFAULT NULL)
RETURNS TABLE (series text, reason text, bars bigint, of_bars bigint, versions bigint,
    in_10_s bigint, in_1_min bigint, in_1_h bigint, in_1_day bigint, later bigint, unknown bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH stored AS (
        SELECT v.series, v.symbol, v.ts, v.number, v.source, v.version, v.reason, v.is_standing,
            v.known_at - min(v.known_at) FILTER (WHERE v.version = 1) OVER (
                PARTITION BY v.symbol, v.series, v.ts, v.number, v.source) AS delay
        FROM %1$I.bar_versions v
        WHERE v.ts >= from_ts AND v.ts < to_ts
            AND (wanted_symbols IS NULL OR v.symbol = ANY (wanted_symbols))
            AND (wanted_series IS NULL OR v.series = wanted_series)
    )
    SELECT s.series, s.reason, count(DISTINCT (s.symbol, s.ts, s.number, s.source)),
        (SELECT count(*) FROM stored o WHERE o.series = s.series AND o.is_standing), count(*),
        count(*) FILTER (WHERE s.delay <= interval '10 s'),
        count(*) FILTER (WHERE s.delay > interval '10 s' AND s.delay <= interval '1 min'),
        count(*) FILTER (WHERE s.delay > interval '1 min' AND s.delay <= interval '1 h'),
        count(*) FILTER (WHERE s.delay > interval '1 h' AND s.delay <= interval '24 h'),
        count(*) FILTER (WHERE s.delay > interval '24 h'), count(*) FILTER (WHERE s.delay IS NULL)
    FROM stored s
    WHERE s.version > 1
    GROUP BY s.series, s.reason
    ORDER BY s.series, s.reason;
END
$sql$, market);

    FOREACH comment SLICE 1 IN ARRAY ARRAY[
        ['VIEW bar_versions', $$every stored version of every bar, and when it was known.
SELECT * FROM bar_versions WHERE symbol = 'AAPL' AND series = '1m' AND ts = '2026-11-20 14:31Z' ORDER BY version$$],
        ['FUNCTION bars_as_of(timestamptz, text[], text, timestamptz, timestamptz, boolean)',
            $$candles as they were known at a time; it raises where that is not known.
SELECT * FROM bars_as_of('2026-11-20 14:40Z', '{AAPL}', '1m', '2026-11-20 14:30Z', '2026-11-20 14:40Z')$$],
        ['FUNCTION rewritten(timestamptz, timestamptz, text[], text)',
            $$how many bars changed after they were published, by reason and delay.
SELECT * FROM rewritten(current_date, now())$$],
        ['COLUMN bar_versions.version', '1: as it was closed; every later version counts one more'],
        ['COLUMN bar_versions.known_at',
            'the latest of close_time, sent_at and the time at which the tape took it; NULL: not known'],
        ['COLUMN bar_versions.sent_at', 'when the operator sent it; NULL: not known'],
        ['COLUMN bar_versions.is_standing', 'true: no later version replaced it'],
        ['COLUMN bar_versions.is_withdrawn', 'true: it says that the bar is void']
    ] LOOP
        EXECUTE format('COMMENT ON %s %I.%s IS %L', split_part(comment[1], ' ', 1), market,
            substr(comment[1], strpos(comment[1], ' ') + 1), comment[2]);
    END LOOP;
END
$market$;
