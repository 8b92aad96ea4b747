-- The past of a source, as `tapeline load` stores it: under a source of its own, `binance-history` (or
-- `binance-history-2`) beside the live source `binance`. These views join both where the live ticks
-- begin, which is the seam. People read them by the views of 72_history.sql.

-- What was loaded of each symbol. A load writes a record at the beginning of its range and, when all of
-- the range is there, one at its end. So `loaded` lacks a range whose load runs or was ended early.
-- Ranges of one source follow each other; where those of two sources overlap, the higher number counts.
CREATE OR REPLACE VIEW history_loads AS
SELECT symbol, source, regexp_replace(source, '-history(-[0-9]+)?$', '') AS live_source,
    coalesce(substring(source FROM '-history-([0-9]+)$')::numeric, 1) AS number,
    coalesce(range_agg(tstzrange(from_ts, to_ts)) FILTER (WHERE from_ts < to_ts), '{}') AS loaded,
    min(coalesce(from_ts, to_ts)) AS loaded_from
FROM (
    SELECT symbol, source, min(ts) FILTER (WHERE action = 'start') AS from_ts,
        max(ts) FILTER (WHERE action = 'stop') AS to_ts
    FROM (
        -- Records up to and with an end are of one load. One that was ended early begins again.
        SELECT symbol, source, ts, detail->>'action' AS action,
            count(*) FILTER (WHERE detail->>'action' = 'stop') OVER (PARTITION BY symbol, source
                ORDER BY epoch, ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS load
        FROM events
        -- LIKE is cheap, and leaves few of many records to the others.
        WHERE name = 'subscription' AND source LIKE '_%-history%' AND detail->>'mode' = 'historical'
            AND source ~ '.-history(-[0-9]+)?$'
            AND coalesce(detail->>'kind', 'any') IN ('trade', 'any')
    ) AS records
    GROUP BY symbol, source, load
) AS loads
GROUP BY symbol, source;

-- The seam of each symbol that has a past: its first live trade that is no snapshot (1) and was not
-- fetched later (4); NULL when there is none yet.
--
-- The index has times and no sources, and the past may have many rows before. So the seam is looked for
-- from 10 s before the first subscription to trades on, because the clocks of gateway and provider may
-- differ; or where retention has dropped trades up to. A live trade that is older was reported late, and
-- is no beginning. `since` is a minute before the subscription: from there on such a trade is compared
-- with the past. Where retention has dropped records of subscriptions, the first one that is left says
-- nothing.
--
-- No reader of a sorted subquery needs an order, here and below. But a sort keeps its rows: of tables that
-- were just filled the planner may expect one row, and then it joins in a loop, which would compute the
-- subquery again for each of millions.
CREATE OR REPLACE VIEW history_borders AS
SELECT l.symbol, l.source, l.live_source, l.number, l.loaded, l.loaded_from, n.subscribed_at, n.since,
    f.ts, f.event_time_ns, f.provider_id, f.partition, f.ordinal
FROM history_loads l
LEFT JOIN LATERAL (
    SELECT e.ts FROM events e
    WHERE e.name = 'subscription' AND e.symbol = l.symbol AND e.source = l.live_source
        AND e.detail->>'action' = 'start' AND coalesce(e.detail->>'kind', 'any') IN ('trade', 'any')
    ORDER BY e.ts LIMIT 1
) AS s ON true
CROSS JOIN LATERAL (
    SELECT max(r.until) FILTER (WHERE r.table_name = 'events') IS NULL AS is_known,
        max(r.until) FILTER (WHERE r.table_name = 'trades') AS trades_until
    FROM retired_rows r WHERE r.source = l.live_source AND r.input = 'ticks'
) AS gone
CROSS JOIN LATERAL (
    SELECT CASE WHEN gone.is_known THEN s.ts END AS subscribed_at,
        CASE WHEN NOT gone.is_known THEN coalesce(gone.trades_until, '-infinity')
            WHEN s.ts IS NOT NULL THEN greatest(s.ts - interval '1 min', gone.trades_until)
            END AS since
) AS n
LEFT JOIN LATERAL (
    SELECT t.ts, t.event_time_ns, t.provider_id, t.partition, t.ordinal FROM trades t
    WHERE t.symbol = l.symbol AND t.source = l.live_source AND t.action = 0 AND t.flags & 5 = 0
        AND t.ts >= greatest(n.since, n.subscribed_at - interval '10 s')
    ORDER BY t.ts, t.event_time_ns, t.ordinal LIMIT 1
) AS f ON true;

-- The sources that are joined, a row per symbol and source: those of the past, and the live ones. With
-- the ranges that another source of the past has instead (`other_loaded`), and those of all of them. From
-- `live_from` on the live source has every trade.
CREATE OR REPLACE VIEW history_parts AS
SELECT b.symbol, one.source, one.is_history, b.live_source, b.number, b.loaded, b.other_loaded,
    b.all_loaded, b.since, b.ts AS seam_ts, b.event_time_ns AS seam_ns, b.provider_id AS seam_id,
    b.partition AS seam_partition, b.ordinal AS seam_ordinal,
    CASE WHEN b.ts IS NOT NULL THEN greatest(b.ts, b.subscribed_at) END AS live_from
FROM (
    SELECT *, row_number() OVER sources AS place, range_agg(loaded) OVER live AS all_loaded,
        coalesce(range_agg(loaded) OVER (sources ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
            '{}') AS other_loaded
    FROM history_borders
    WINDOW live AS (PARTITION BY symbol, live_source),
        sources AS (PARTITION BY symbol, live_source ORDER BY number DESC, source)
) AS b
CROSS JOIN LATERAL (VALUES (b.source, true), (b.live_source, false)) AS one (source, is_history)
WHERE one.is_history OR b.place = 1
ORDER BY one.is_history, one.source;

-- Trades of all sources, joined. Snapshots (1) are left out: they are state, and the past has the trade.
--
-- - Before the border there is the past, and no live trade where the past was loaded: one that was
--   reported very late. A live cancel or correction of such a trade stays.
-- - After the border there are live rows alone, fetched ones (4) too.
-- - Within it, from a minute before the first subscription up to 10 s after `live_from`, there are all
--   live rows, and trades of the past whose id no live trade has. Ids are compared for equality, because not
--   every provider's ids ascend. The times of one trade may differ in their resolution. The same is true
--   of cancels and corrections of the past, which live may have missed.
-- - Without ids, trades of the past count up to the seam, by nanoseconds.
CREATE OR REPLACE VIEW trades_with_history AS
SELECT t.ts, t.event_time_ns, t.symbol, t.price, t.size, t.exchange, t.conditions, t.action, t.flags,
    t.provider, t.provider_id, t.provider_time, t.time_resolution, t.receive_time, t.receive_time_ns,
    t.source, t.partition, t.epoch, t.ordinal, t.of_source,
    coalesce(p.live_source, t.source) AS live_source,
    coalesce(NOT p.is_history AND (t.partition, t.ordinal) = (p.seam_partition, p.seam_ordinal), false)
        AS is_seam
FROM trades t
LEFT JOIN history_parts p ON p.symbol = t.symbol AND p.source = t.source
WHERE CASE
    WHEN t.flags & 1 <> 0 THEN false
    WHEN p.source IS NULL THEN true
    WHEN NOT p.is_history THEN
        t.action <> 0 OR p.seam_ts IS NULL OR t.ts >= p.since OR NOT p.all_loaded @> t.ts
    WHEN p.other_loaded @> t.ts THEN false
    WHEN p.seam_ts IS NULL OR t.ts < p.since THEN true
    WHEN p.seam_id IS NULL OR t.provider_id IS NULL THEN t.event_time_ns < p.seam_ns
    WHEN t.ts >= p.live_from + interval '10 s' THEN false
    ELSE NOT EXISTS (SELECT FROM trades l
        WHERE l.symbol = t.symbol AND l.source = p.live_source AND l.provider_id = t.provider_id
            AND l.ts BETWEEN t.ts - interval '1 s' AND t.ts + interval '1 s'
            AND (l.action = 0) = (t.action = 0) AND l.flags & 1 = 0)
    END;
