-- What is stored of the versions of bars, and where that is not enough to say what was known at a time.
-- The function for people is bars_as_of (71_versions.sql).

-- Returns the partitions of an input (ticks or bars) that are not all stored that the tape had taken by
-- p_at, and up to which time they are, by the clock that says the earlier one: that of NATS or that of
-- the sender. A partition has a packet of bars every ten seconds at least, while its sources work. What
-- came in the last minute may be on its way: a partition has to be stored up to a minute ago only.
CREATE OR REPLACE FUNCTION tape_reached(p_input text, p_at timestamptz)
RETURNS TABLE (partition integer, reached_at timestamptz)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT p.partition, min(p.reached_at)
    FROM (
        SELECT partition, tape_time(least(tape_time_ns, sent_time_ns)) AS reached_at
        FROM sink_positions WHERE input = p_input AND tape_time_ns IS NOT NULL
        UNION ALL
        -- A group of tables that waits apart is behind.
        SELECT partition, coalesce(tape_time(least(tape_time_ns, sent_time_ns)), '-infinity')
        FROM apart_groups WHERE input = p_input
    ) AS p
    WHERE p.reached_at <= least(p_at, now() - interval '1 min')
    GROUP BY p.partition
$$;

-- Returns for each bar of these windows the version that was known at t: the highest revision that the
-- tape had taken by then. If none was, `is_known` is false, and the row is a later version, whose values
-- say nothing about t. `why` says why the answer may be wrong; NULL if it is right:
--
-- - no known_at: of a dead letter that was stored later nothing is known.
-- - too few versions: retention has dropped the earliest ones.
-- - the writer: it has stored the tape of the partition up to a time before t, and not up to a minute ago.
-- - a loss: the tape took bars that are not stored. One of them may be a later version of this bar, if
--   its window began before the end of the loss, and this version is from before that end, too.
-- - the clocks: by one of them a version was known at t, by another one it was known over a second later.
CREATE OR REPLACE FUNCTION versions_as_of(
    t timestamptz, wanted_symbols text[], wanted_series text, from_ts timestamptz, to_ts timestamptz)
RETURNS TABLE (symbol text, series text, ts timestamptz, close_time timestamptz, open numeric,
    high numeric, low numeric, close numeric, volume numeric, vwap numeric, trades bigint,
    partial boolean, mixed_providers boolean, version bigint, reason text, notional numeric,
    excluded bigint, number bigint, source text, filled boolean, withdrawn boolean,
    lateness_ns bigint, known_at timestamptz, is_known boolean, why text)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    WITH stored AS (
        SELECT b.symbol, b.series, b.ts, b.close_time, b.open, b.high, b.low, b.close, b.volume,
            b.vwap, b.trades, b.partial, b.mixed_providers, b.reason, b.notional, b.excluded,
            b.number, b.source, b.filled, b.withdrawn, b.lateness_ns, b.sent_at, b.taken_at,
            b.known_at, b.revision, b.partition, b.replaced
        FROM bars b
        WHERE b.symbol = ANY (wanted_symbols) AND b.series = wanted_series AND b.ts >= from_ts
            AND b.ts < to_ts
        UNION ALL
        SELECT v.symbol, v.series, v.ts, v.close_time, v.open, v.high, v.low, v.close, v.volume,
            v.vwap, v.trades, v.partial, v.mixed_providers, v.reason, v.notional, v.excluded,
            v.number, v.source, v.filled, v.withdrawn, v.lateness_ns, v.sent_at, v.taken_at,
            v.known_at, v.revision, v.partition, NULL
        FROM replaced_bars v
        WHERE v.symbol = ANY (wanted_symbols) AND v.series = wanted_series AND v.ts >= from_ts
            AND v.ts < to_ts
    ), counted AS (
        SELECT *, coalesce(known_at <= t, true) AS is_known, max(replaced) OVER bar AS earlier,
            row_number() OVER (bar ORDER BY revision DESC) AS place, count(*) OVER bar AS count_stored,
            max(CASE WHEN least(taken_at, sent_at) <= t AND t < known_at
                    AND known_at - least(taken_at, sent_at) > interval '1 s'
                THEN format('clocks disagree from %s to %s', least(taken_at, sent_at), known_at) END)
                OVER bar AS dispute
        FROM stored
        WINDOW bar AS (PARTITION BY symbol, series, ts, number, source)
    ), chosen AS (
        SELECT DISTINCT ON (symbol, series, ts, number, source) *
        FROM counted
        ORDER BY symbol, series, ts, number, source, is_known DESC, revision DESC
    ), reached AS (
        SELECT partition, reached_at FROM tape_reached('bars', t)
    ), judged AS (
        SELECT c.*, CASE
            WHEN earlier IS NULL THEN 'its last version is not stored any more'
            WHEN c.known_at IS NULL THEN 'it is not known when the tape took it'
            WHEN NOT c.is_known AND count_stored <= earlier
                THEN format('%s of its earlier versions are not stored', earlier + 1 - count_stored)
            WHEN r.reached_at IS NOT NULL
                THEN format('the database has its tape up to %s only', r.reached_at)
            ELSE coalesce((SELECT format('bars that the tape took from %s to %s are not stored: %s',
                    l.from_at, l.to_at, l.reason)
                FROM version_losses l
                WHERE l.input = 'bars' AND l.partition = c.partition AND l.from_at <= t
                    AND c.ts < l.to_at
                    AND NOT (c.is_known AND coalesce(c.taken_at > l.to_at, false))
                ORDER BY l.to_at DESC LIMIT 1), dispute)
            END AS why
        FROM chosen c LEFT JOIN reached r USING (partition)
    )
    -- Of a bar that had a version which is not stored, only the window is known.
    SELECT symbol, series, ts, close_time, CASE WHEN is_known THEN open END,
        CASE WHEN is_known THEN high END, CASE WHEN is_known THEN low END,
        CASE WHEN is_known THEN close END, CASE WHEN is_known THEN volume END,
        CASE WHEN is_known THEN vwap END, CASE WHEN is_known THEN trades END,
        CASE WHEN is_known THEN partial END, CASE WHEN is_known THEN mixed_providers END,
        CASE WHEN is_known THEN earlier + 2 - place END, CASE WHEN is_known THEN reason END,
        CASE WHEN is_known THEN notional END, CASE WHEN is_known THEN excluded END, number, source,
        CASE WHEN is_known THEN filled END, CASE WHEN is_known THEN withdrawn END, lateness_ns,
        CASE WHEN is_known THEN known_at END, is_known, why
    FROM judged
$$;

-- Returns why it cannot be said what was known at t of the bars of these windows; NULL if it can. What
-- concerns all of the range comes first: rows that retention has dropped, and losses. A lost bar may
-- have been the only version of any window that began before the end of the loss.
CREATE OR REPLACE FUNCTION bars_as_of_doubt(
    t timestamptz, wanted_symbols text[], wanted_series text, from_ts timestamptz, to_ts timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    doubt text;
BEGIN
    SELECT format('bars of %s before %s are not stored any more: ask for later windows', wanted_series,
            max(r.until))
    INTO doubt
    FROM retired_rows r JOIN bar_series s ON s.series = wanted_series
    WHERE r.table_name IN ('bars.' || s.series,
            CASE WHEN s.is_long THEN 'bars_long' ELSE 'bars_short' END)
        AND r.input = 'bars'
    HAVING max(r.until) > from_ts;
    IF doubt IS NOT NULL THEN
        RETURN doubt;
    END IF;
    -- A symbol without a bar in the range may be of any partition.
    SELECT d.why INTO doubt
    FROM (
        SELECT l.partition, l.to_at AS at,
            format('bars of partition %s that the tape took from %s to %s are not stored: %s',
                l.partition, l.from_at, l.to_at, l.reason) AS why
        FROM version_losses l
        WHERE l.input = 'bars' AND l.from_at <= t AND l.to_at > from_ts
        UNION ALL
        SELECT r.partition, r.reached_at,
            format('the database has the tape of partition %s up to %s only', r.partition,
                r.reached_at)
        FROM tape_reached('bars', t) r
        UNION ALL
        -- All of its bars were purged before this database read the tape, or there is no operator. Up
        -- to its first tick it had no bar, if all of its ticks are known.
        SELECT p.partition, 'infinity', format('of the tape of partition %s ticks are stored, and no bars',
            p.partition)
        FROM sink_positions p JOIN sink_positions k USING (sink, partition)
        WHERE p.input = 'bars' AND p.tape_time_ns IS NULL AND k.input = 'ticks'
            AND k.tape_time_ns IS NOT NULL
            AND (EXISTS (SELECT FROM version_losses l
                    WHERE l.input = 'ticks' AND l.partition = p.partition AND l.from_at <= t)
                OR (SELECT coalesce(bool_or(f.first_ordinal > 1
                        OR f.taken_from - f.apart_ms[1] * interval '1 ms' <= t), true)
                    FROM (SELECT DISTINCT ON (s.source) s.* FROM stored_stretches s
                        WHERE s.input = 'ticks' AND s.partition = p.partition
                        ORDER BY s.source, s.first_ordinal) AS f))
    ) AS d
    WHERE from_ts < to_ts AND EXISTS (
        SELECT FROM unnest(wanted_symbols) AS w (symbol)
        WHERE d.partition = coalesce((SELECT b.partition FROM bars b
            WHERE b.symbol = w.symbol AND b.series = wanted_series AND b.ts >= from_ts
                AND b.ts < to_ts LIMIT 1), d.partition))
    ORDER BY d.at DESC LIMIT 1;
    IF doubt IS NOT NULL THEN
        RETURN doubt;
    END IF;
    SELECT format('what was known of %s %s of %s at %s (source %s) is not certain: %s', v.symbol,
            v.series, v.ts, t, v.source, v.why)
    INTO doubt
    FROM versions_as_of(t, wanted_symbols, wanted_series, from_ts, to_ts) v
    WHERE v.why IS NOT NULL
    ORDER BY v.ts, v.symbol, v.source LIMIT 1;
    RETURN doubt;
END
$$;
