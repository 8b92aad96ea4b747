-- The checks of audit.sql about bars. audit.sql includes this file and describes how checks are
-- written.

-- Bars belong to a source, or to a group of sources (source_groups). Ticks that a person put onto the
-- tape (source manual) count as backfilled. Whose a trade is, and what it counts as now, after cancels and
-- corrections, is what the view trades_standing says.
-- The order within a window is (event time, source, ordinal), and what a person put onto the tape is the
-- last of its time. A trade counts if it is new, has a
-- price and a size, and is not a snapshot (1). In integers of 1e-9 and 1e-8, price times size is
-- exact. div() cuts towards zero, so twice the dividend plus the divisor, divided by twice the
-- divisor, rounds half away from zero. The join is a full one on purpose: for tables that were
-- never analyzed, the planner would choose nested loops, which a full join cannot be.
--
-- A bar that was never repaired has no backfilled trades (4), no trades listed as late, and still
-- has those that were cancelled later. A bar that was repaired has the corrected state: without
-- cancelled trades, with corrected values, with backfilled trades, and with late ones that were
-- listed before. A repair sets the bar's reason. A window that was open during the repair closes as
-- usual, but also has the corrected state. Only series of trades with adjacent windows are computed
-- here. `tapeline prove` checks the others, those with rules for conditions, and those after nodes
-- that keep ticks back.
\echo bars_equal_sql: each stored bar equals the bar that SQL computes from the stored trades
-- check: bars_equal_sql: each stored bar equals the bar that SQL computes from the stored trades
-- reads: rows
WITH bounds AS (
    -- An unbounded range is limited to the range of the integers.
    SELECT CASE WHEN isfinite(:'from'::timestamptz)
            THEN (extract(epoch FROM :'from'::timestamptz) * 1000000000)::bigint
            ELSE -9223372036854775808 END AS from_ns,
        CASE WHEN isfinite(:'to'::timestamptz)
            THEN (extract(epoch FROM :'to'::timestamptz) * 1000000000)::bigint
            ELSE 9223372036854775807 END AS to_ns
), late_rows AS MATERIALIZED (
    SELECT of_source AS source, partition, of_ordinal AS ordinal, series, kind, reason,
        late_ticks.ordinal AS listed
    FROM late_ticks
    WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
), bar_rows AS MATERIALIZED (
    SELECT b.* FROM bars b, bounds
    WHERE number = 0 AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
        AND close_time_ns <= to_ns
), graph AS (
    SELECT key AS series, value AS nodes
    FROM jsonb_each(nullif(current_setting('tapeline.graph', true), '')::jsonb)
), left_out AS (
    SELECT DISTINCT l.source, l.partition, l.ordinal, g.series
    FROM (SELECT * FROM late_rows WHERE reason = 'duplicate') AS l JOIN graph g
        ON g.nodes ? l.series
), plain_series AS (
    SELECT series
    FROM bar_rows
    WHERE close_time_ns > open_time_ns
    GROUP BY series
    HAVING bool_and(open_time_ns % (close_time_ns - open_time_ns) = 0)
        AND count(DISTINCT close_time_ns - open_time_ns) <= count(DISTINCT generation)
        AND (sum(volume) > 0 OR sum(trades) = 0)
        AND sum(excluded_condition + excluded_odd_lot) = 0
        -- A node that keeps trades back counts more than trades that are not new or were cancelled.
        AND sum(excluded_filter) <= (
            SELECT count(*) + count(*) FILTER (WHERE action <> 0) FROM trades
            WHERE (action <> 0 OR flags & 1 = 1)
                AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz)
            + (SELECT count(*) FROM trade_changes_standing WHERE change = 'cancel'
                AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz)
        AND series NOT IN (SELECT series FROM graph WHERE nodes = 'null')
        AND (series IN (SELECT series FROM graph)
            OR NOT EXISTS (SELECT FROM late_rows WHERE reason = 'duplicate'))
), series AS (
    SELECT DISTINCT series, close_time_ns - open_time_ns AS width
    FROM bar_rows JOIN plain_series USING (series)
), late AS (
    SELECT source, partition, ordinal, series, min(listed) AS listed
    FROM late_rows
    WHERE kind = 'trade'
    GROUP BY 1, 2, 3, 4
), told AS MATERIALIZED (
    -- Each trade once, before it counts for several series. place is its position among all of
    -- them.
    SELECT *, price * 1e9 * (size * 1e8) AS notional,
        mended_price * 1e9 * (mended_size * 1e8) AS mended_notional,
        row_number() OVER (ORDER BY event_time_ns, source = 'manual', source COLLATE "C", ordinal) AS place
    FROM (
        SELECT t.symbol, t.event_time_ns, t.source, t.partition, t.ordinal, t.price, t.size,
            t.owner AS bar_source, t.now_price AS mended_price,
            t.now_size AS mended_size,
            t.flags & 4 = 0 AND t.source <> 'manual' AND t.price IS NOT NULL
                AND coalesce(t.size >= 0, false) AS is_live,
            t.change IS DISTINCT FROM 'cancel' AND t.now_price IS NOT NULL
                AND coalesce(t.now_size >= 0, false) AS is_mended
        FROM trades_standing t
        WHERE t.flags & 1 = 0 AND t.ts >= :'from'::timestamptz AND t.ts < :'to'::timestamptz
            -- As it came, or as it was corrected.
            AND (t.price IS NOT NULL AND t.size >= 0 OR t.change = 'correct')
    ) AS t
), judged AS (
    SELECT t.symbol, t.bar_source, t.place, s.series, s.width,
        t.event_time_ns - (t.event_time_ns % s.width + s.width) % s.width AS open_time_ns,
        t.price, t.size, t.mended_price, t.mended_size, t.notional, t.mended_notional, l.listed,
        t.is_live AND l.listed IS NULL AS is_plain, t.is_mended
    FROM told t CROSS JOIN series s CROSS JOIN bounds
    LEFT JOIN late l ON (l.source, l.partition, l.ordinal, l.series)
        = (t.source, t.partition, t.ordinal, s.series)
    LEFT JOIN left_out d ON (d.source, d.partition, d.ordinal, d.series)
        = (t.source, t.partition, t.ordinal, s.series)
    WHERE d.ordinal IS NULL
        -- Only complete windows.
        AND t.event_time_ns - (t.event_time_ns % s.width + s.width) % s.width >= from_ns
        AND t.event_time_ns - (t.event_time_ns % s.width + s.width) % s.width <= to_ns - s.width
), touched AS MATERIALIZED (
    SELECT DISTINCT j.series, j.width, j.symbol, j.bar_source, j.open_time_ns, b.revision
    FROM judged j LEFT JOIN bar_rows b
        ON (b.symbol, b.source, b.series, b.open_time_ns)
            = (j.symbol, j.bar_source, j.series, j.open_time_ns)
    WHERE NOT j.is_plain OR NOT j.is_mended OR j.mended_price IS DISTINCT FROM j.price
        OR j.mended_size IS DISTINCT FROM j.size
), counted AS (
    SELECT false AS is_repaired, series, width, symbol, bar_source, open_time_ns, place, price, size,
        notional
    FROM judged
    WHERE is_plain
    UNION ALL
    SELECT true, series, width, symbol, bar_source, open_time_ns, place, mended_price, mended_size,
        mended_notional
    FROM judged JOIN touched USING (series, width, symbol, bar_source, open_time_ns)
    WHERE is_mended AND (listed IS NULL OR listed < revision)
), computed AS MATERIALIZED (
    SELECT is_repaired, series, width, symbol, bar_source, open_time_ns, min(place) AS first_place,
        max(price) AS high, min(price) AS low, max(place) AS last_place, sum(size) AS volume,
        count(*) AS trades, sum(notional) AS notional
    FROM counted
    GROUP BY 1, 2, 3, 4, 5, 6
), expected AS (
    SELECT is_repaired, c.series, c.symbol, c.bar_source, c.open_time_ns, c.width, high, low, volume, trades,
        CASE WHEN is_repaired THEN f.mended_price ELSE f.price END AS open,
        CASE WHEN is_repaired THEN l.mended_price ELSE l.price END AS close,
        c.notional * 1e-17 AS notional,
        CASE WHEN volume > 0 THEN
            1e-9
                * div(2 * c.notional + sign(c.notional) * volume * 1e8, 2 * volume * 1e8)
        END AS vwap
    FROM computed c JOIN told f ON f.place = first_place JOIN told l ON l.place = last_place
), stored AS (
    -- A window whose trades retention has dropped cannot be computed. A window without trades
    -- (withdrawn, or filled) needs no computation.
    SELECT b.*, t.symbol IS NOT NULL AS is_touched
    FROM bar_rows b JOIN plain_series USING (series)
    LEFT JOIN touched t ON (t.symbol, t.bar_source, t.series, t.open_time_ns, t.width)
        = (b.symbol, b.source, b.series, b.open_time_ns, b.close_time_ns - b.open_time_ns)
    WHERE b.trades > 0 AND ts >= coalesce(
        (SELECT max(until) FROM retired_rows WHERE table_name = 'trades'), '-infinity')
), versions AS (
    -- Certainly repaired, or possibly repaired. In the second case the bar may equal either
    -- computation.
    SELECT *, false AS is_repaired FROM stored
    WHERE NOT is_touched OR reason IN ('closed', 'late')
    UNION ALL
    SELECT *, true FROM stored WHERE is_touched
), compared AS MATERIALIZED (
    SELECT b.symbol, b.source, b.series, b.ts, e.trades IS NOT NULL AS is_computed,
        concat_ws(', ',
            CASE WHEN b.open IS DISTINCT FROM e.open
                THEN format('open %s not %s', b.open, e.open) END,
            CASE WHEN b.high IS DISTINCT FROM e.high
                THEN format('high %s not %s', b.high, e.high) END,
            CASE WHEN b.low IS DISTINCT FROM e.low
                THEN format('low %s not %s', b.low, e.low) END,
            CASE WHEN b.close IS DISTINCT FROM e.close
                THEN format('close %s not %s', b.close, e.close) END,
            CASE WHEN b.volume IS DISTINCT FROM e.volume
                THEN format('volume %s not %s', b.volume, e.volume) END,
            CASE WHEN b.vwap IS DISTINCT FROM e.vwap
                THEN format('vwap %s not %s', b.vwap, e.vwap) END,
            CASE WHEN b.notional IS DISTINCT FROM e.notional
                THEN format('notional %s not %s', b.notional, e.notional) END,
            CASE WHEN b.trades IS DISTINCT FROM e.trades
                THEN format('trades %s not %s', b.trades, e.trades) END,
            CASE WHEN extract(epoch FROM b.ts) * 1000000000 <> b.open_time_ns
                    OR extract(epoch FROM b.close_time) * 1000000000 <> b.close_time_ns
                THEN 'rounded times that are not the exact ones' END) AS difference
    FROM versions b
    FULL JOIN expected e
        ON (e.symbol, e.bar_source, e.series, e.open_time_ns, e.width, e.is_repaired)
        = (b.symbol, b.source, b.series, b.open_time_ns, b.close_time_ns - b.open_time_ns,
            b.is_repaired)
), judgement AS (
    SELECT DISTINCT ON (symbol, source, series, ts) *
    FROM compared
    WHERE symbol IS NOT NULL
    ORDER BY symbol, source, series, ts, (is_computed AND difference = '') DESC, is_computed DESC
), faults AS (
    SELECT format('%s of %s %s %s: %s', symbol, source, series, ts,
        CASE WHEN is_computed THEN difference ELSE 'no trades' END) AS fault
    FROM judgement
    WHERE difference <> ''
    ORDER BY ts, symbol, source, series
    LIMIT 5
)
SELECT count(*)::numeric AS expected, (count(*) FILTER (WHERE difference = ''))::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    concat_ws('; ', (SELECT string_agg(fault, '; ') FROM faults),
        (SELECT 'not computed here but by tapeline prove: '
                || string_agg(series, ', ' ORDER BY series)
            FROM (SELECT DISTINCT series FROM bars
                WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz) AS stored_series
            WHERE series NOT IN (SELECT series FROM plain_series))) AS detail
FROM judgement;

-- Late ticks that are listed are not in the bar until a repair counts them. Cancelled or backfilled
-- ones may be in a bar or not, as `bars_equal_sql` describes. A window is closed if it ends no
-- later than the latest bar of its source and partition. A series that only some generations have
-- counts from its first bar on, or up to its last one.
\echo trades_counted_once: each trade of a closed window is counted in exactly one bar of each series
-- check: trades_counted_once: each trade of a closed window is counted in exactly one bar of each series
-- reads: rows
WITH bounds AS (
    -- An unbounded range is limited to the range of the integers.
    SELECT CASE WHEN isfinite(:'from'::timestamptz)
            THEN (extract(epoch FROM :'from'::timestamptz) * 1000000000)::bigint
            ELSE -9223372036854775808 END AS from_ns,
        CASE WHEN isfinite(:'to'::timestamptz)
            THEN (extract(epoch FROM :'to'::timestamptz) * 1000000000)::bigint
            ELSE 9223372036854775807 END AS to_ns
), late_rows AS MATERIALIZED (
    SELECT of_source AS source, partition, of_ordinal AS ordinal, series, kind, reason,
        late_ticks.ordinal AS listed
    FROM late_ticks
    WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
), bar_rows AS MATERIALIZED (
    SELECT b.* FROM bars b, bounds
    WHERE number = 0 AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
        AND close_time_ns <= to_ns
), kept AS (
    -- Before this time retention has dropped trades or bars.
    SELECT coalesce(max(extract(epoch FROM until) * 1000000000)::bigint, -9223372036854775808) AS ns
    FROM retired_rows
    WHERE table_name IN ('trades', 'bars_short', 'bars_long')
), kept_series AS (
    -- Before this time retention has dropped the bars of the series alone.
    SELECT substr(table_name, 6) AS series, max(extract(epoch FROM until) * 1000000000)::bigint AS ns
    FROM retired_rows
    WHERE table_name LIKE 'bars.%'
    GROUP BY table_name
), graph AS (
    SELECT key AS series, value AS nodes
    FROM jsonb_each(nullif(current_setting('tapeline.graph', true), '')::jsonb)
), left_out AS (
    SELECT DISTINCT l.source, l.partition, l.ordinal, g.series
    FROM (SELECT * FROM late_rows WHERE reason = 'duplicate') AS l JOIN graph g
        ON g.nodes ? l.series
), plain_series AS (
    SELECT series
    FROM bar_rows
    WHERE close_time_ns > open_time_ns
    GROUP BY series
    HAVING bool_and(open_time_ns % (close_time_ns - open_time_ns) = 0)
        AND count(DISTINCT close_time_ns - open_time_ns) <= count(DISTINCT generation)
        AND (sum(volume) > 0 OR sum(trades) = 0)
        AND sum(excluded_condition + excluded_odd_lot) = 0
        -- A node that keeps trades back counts more than trades that are not new or were cancelled.
        AND sum(excluded_filter) <= (
            SELECT count(*) + count(*) FILTER (WHERE action <> 0) FROM trades
            WHERE (action <> 0 OR flags & 1 = 1)
                AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz)
            + (SELECT count(*) FROM trade_changes_standing WHERE change = 'cancel'
                AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz)
        AND series NOT IN (SELECT series FROM graph WHERE nodes = 'null')
        AND (series IN (SELECT series FROM graph)
            OR NOT EXISTS (SELECT FROM late_rows WHERE reason = 'duplicate'))
), made AS (
    SELECT source, partition, series, close_time_ns - open_time_ns AS width,
        min(generation) AS first_generation, max(generation) AS last_generation,
        min(open_time_ns) AS first_ns, max(close_time_ns) AS last_ns
    -- A bar of the following day shows that the windows before it are closed.
    FROM bars JOIN plain_series USING (series)
    WHERE number = 0 AND ts >= :'from'::timestamptz
        AND ts < :'after'::timestamptz
    GROUP BY 1, 2, 3, 4
), closed AS MATERIALIZED (
    SELECT source AS bar_source, partition, series, width,
        greatest(CASE WHEN first_generation > min(first_generation) OVER whole THEN first_ns END,
            kept_series.ns) AS begun_ns,
        CASE WHEN last_generation < max(last_generation) OVER whole THEN last_ns
            ELSE max(last_ns) OVER whole END AS until_ns
    FROM made LEFT JOIN kept_series USING (series)
    WINDOW whole AS (PARTITION BY source, partition)
), late AS (
    SELECT source, partition, ordinal, series, min(listed) AS listed
    FROM late_rows
    WHERE kind = 'trade'
    GROUP BY 1, 2, 3, 4
), stored AS (
    SELECT series, symbol, source AS bar_source, open_time_ns, sum(trades) AS trades, max(revision) AS revision,
        bool_or(reason NOT IN ('closed', 'late')) AS is_repaired
    FROM bar_rows JOIN plain_series USING (series)
    WHERE open_time_ns >= (SELECT ns FROM kept)
    GROUP BY 1, 2, 3, 4
), tape_lost AS MATERIALIZED (
    -- The tape was made again after a restore. Windows that were open then have no bar, and neither have those whose
    -- bars only the former tape had. Bars are stored in the order of their windows' ends. Nor have those that opened
    -- before the source's first new tick or with it, however late it came: ticks of them may have been lost.
    SELECT g.bar_source, g.partition, greatest(g.to_time_ns, begun.event_time_ns + 1) AS begun_ns,
        coalesce(max(b.close_time_ns), -9223372036854775808) AS complete_ns
    FROM (
        SELECT coalesce(m.group_name, g.source) AS bar_source, g.source, g.partition, g.ordinal, g.from_time,
            g.from_time_ns, g.to_time_ns
        FROM gaps g LEFT JOIN source_groups m USING (source, partition)
        WHERE g.reason = 'tape_lost' AND g.first_ordinal IS NULL AND g.lost_first_ordinal IS NULL
    ) AS g
    LEFT JOIN LATERAL (
        SELECT n.event_time_ns
        FROM (
            SELECT source, partition, ordinal, ts, event_time_ns FROM trades
            UNION ALL
            SELECT source, partition, ordinal, ts, event_time_ns FROM quotes
        ) AS n
        WHERE (n.source, n.partition) = (g.source, g.partition) AND n.ordinal > g.ordinal
            AND n.ts >= greatest(g.from_time, :'from'::timestamptz) AND n.ts < :'to'::timestamptz
        ORDER BY n.ordinal LIMIT 1
    ) AS begun ON NOT EXISTS (
        -- With a new tick before the range, the first one in it says nothing.
        SELECT FROM trades n
        WHERE (n.source, n.partition) = (g.source, g.partition) AND n.ordinal > g.ordinal
            AND n.ts >= g.from_time AND n.ts < :'from'::timestamptz
        UNION ALL
        SELECT FROM quotes n
        WHERE (n.source, n.partition) = (g.source, g.partition) AND n.ordinal > g.ordinal
            AND n.ts >= g.from_time AND n.ts < :'from'::timestamptz)
    LEFT JOIN bar_rows b ON (b.source, b.partition) = (g.bar_source, g.partition)
        AND b.close_time_ns <= g.from_time_ns
    WHERE (g.bar_source, g.partition) IN (SELECT bar_source, partition FROM closed)
    GROUP BY g.bar_source, g.partition, g.from_time_ns, g.to_time_ns, begun.event_time_ns
), windows AS (
    SELECT t.series, t.symbol, t.bar_source, t.open_time_ns, min(t.partition) AS partition, min(t.width) AS width,
        count(*) FILTER (WHERE is_plain) AS trades,
        count(*) FILTER (WHERE is_mended AND (listed IS NULL OR listed < b.revision)) AS mended
    FROM (
        SELECT closed.series, t.symbol, t.bar_source, t.partition, width,
            t.event_time_ns - (t.event_time_ns % width + width) % width AS open_time_ns,
            l.listed, t.is_live AND l.listed IS NULL AS is_plain, t.is_mended
        FROM (
            SELECT t.symbol, t.event_time_ns, t.source, t.partition, t.ordinal,
                t.owner AS bar_source,
                t.flags & 4 = 0 AND t.source <> 'manual' AND t.price IS NOT NULL
                    AND coalesce(t.size >= 0, false) AS is_live,
                t.change IS DISTINCT FROM 'cancel' AND t.now_price IS NOT NULL
                    AND coalesce(t.now_size >= 0, false) AS is_mended
            FROM trades_standing t
            WHERE t.flags & 1 = 0 AND t.ts >= :'from'::timestamptz AND t.ts < :'to'::timestamptz
                AND (t.price IS NOT NULL AND t.size >= 0 OR t.change = 'correct')
        ) AS t
        JOIN closed ON (closed.bar_source, closed.partition) = (t.bar_source, t.partition)
        CROSS JOIN bounds
        LEFT JOIN late l ON (l.source, l.partition, l.ordinal, l.series)
            = (t.source, t.partition, t.ordinal, closed.series)
        LEFT JOIN left_out d ON (d.source, d.partition, d.ordinal, d.series)
            = (t.source, t.partition, t.ordinal, closed.series)
        WHERE d.ordinal IS NULL
            AND t.event_time_ns - (t.event_time_ns % width + width) % width >= from_ns
            AND t.event_time_ns - (t.event_time_ns % width + width) % width + width
                <= least(until_ns, to_ns)
            AND (begun_ns IS NULL
                OR t.event_time_ns - (t.event_time_ns % width + width) % width >= begun_ns)
            AND t.event_time_ns - (t.event_time_ns % width + width) % width
                >= (SELECT ns FROM kept)
    ) AS t
    LEFT JOIN stored b USING (series, symbol, bar_source, open_time_ns)
    GROUP BY 1, 2, 3, 4
), compared AS (
    SELECT series, symbol, bar_source, open_time_ns,
        -- A window whose trades were all cancelled while it was open makes no bar.
        CASE WHEN coalesce(is_repaired, false) OR coalesce(stored.trades, 0) = mended
            THEN coalesce(mended, 0)
            ELSE coalesce(windows.trades, 0) END AS expected,
        coalesce(stored.trades, 0) AS found,
        stored.trades IS NULL AND EXISTS (
            SELECT FROM tape_lost l
            WHERE (l.bar_source, l.partition) = (windows.bar_source, windows.partition)
                AND windows.open_time_ns + windows.width > l.complete_ns AND windows.open_time_ns < l.begun_ns
        ) AS is_lost
    FROM windows FULL JOIN stored USING (series, symbol, bar_source, open_time_ns)
), faults AS (
    SELECT format('%s of %s %s %s: %s of %s trades', symbol, bar_source, series,
        to_timestamp(open_time_ns / 1000000000), found, expected) AS fault
    FROM compared
    WHERE expected <> found AND NOT is_lost
    ORDER BY open_time_ns, symbol, bar_source, series
    LIMIT 5
)
SELECT coalesce(sum(expected) FILTER (WHERE NOT is_lost), 0)::numeric AS expected,
    coalesce(sum(found), 0)::numeric AS found, NOT EXISTS (SELECT FROM faults) AS ok,
    concat_ws('; ', (SELECT string_agg(fault, '; ') FROM faults),
        (SELECT format('not counted: %s windows with %s trades, whose bars the tape lost (docs/backup.md)',
                count(*), sum(expected))
            FROM compared WHERE is_lost AND expected > 0 HAVING count(*) > 0)) AS detail
FROM compared;
