-- Whether the promise was kept, from the rows alone: every tick of the tape once, and every bar
-- equal to what plain SQL makes of the stored trades.
--
--   psql -v schema=md -f deploy/postgres/audit.sql
--
-- Where a graph's nodes stand before its series, name them with -v graph='{"1m": ["unique"]}': of
-- each series the nodes that leave duplicates out, or null when others keep ticks back, too.
-- `tapeline audit` takes them from OPERATOR_GRAPH. Series of which nothing is known are not
-- computed here once duplicates were left out; `bars_equal_sql` names them.
--
-- Run it when everything is written: the gateway stopped or finished, the writers without lag. Each
-- check is one row: what is expected, what was found, whether that is right, and where it is not.
--
-- For programs: a check is the one statement behind a line "-- check: <name>: <sentence>" and has
-- the columns expected, found (numeric), ok (boolean), detail (text). Lines that begin with a
-- backslash are psql's own and mean nothing elsewhere; no statement needs what precedes the first
-- check but the namespace in search_path, and the graph in tapeline.graph if it has such nodes.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?schema}
\else
\set schema md
\endif
SET search_path TO :"schema", pg_temp;
\if :{?graph}
\else
\set graph ''
\endif
SET tapeline.graph = :'graph';
\pset footer off

-- Without a row are only ordinals that the books name: skipped, set aside and not replayed, or lost
-- with the tape.
\echo ticks_stored_once: each ordinal from 1 to the last of its source and partition is one row
-- check: ticks_stored_once: each ordinal from 1 to the last of its source and partition is one row
WITH stored AS (
    SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
        min(ordinal) AS first_ordinal, max(ordinal) AS last_ordinal
    FROM stored_ordinals
    WHERE input = 'ticks'
    GROUP BY source, partition
), excused AS (
    SELECT source, partition, sum(skipped + dead_lettered - replayed + gaps) AS ordinals,
        max(last_ordinal) AS last_ordinal
    FROM sink_audit
    WHERE input = 'ticks'
    GROUP BY source, partition
    HAVING sum(skipped + dead_lettered - replayed + gaps) > 0
), retired AS (
    SELECT source, partition, sum(rows) AS ordinals, max(last_ordinal) AS last_ordinal
    FROM retired_rows
    WHERE input = 'ticks'
    GROUP BY source, partition
), compared AS (
    SELECT source, partition, rows, stored.ordinals, first_ordinal, stored.last_ordinal,
        greatest(stored.last_ordinal, excused.last_ordinal, retired.last_ordinal)
            - coalesce(excused.ordinals, 0) - coalesce(retired.ordinals, 0) AS expected,
        coalesce(excused.ordinals, 0) + coalesce(retired.ordinals, 0) AS excused
    FROM stored LEFT JOIN excused USING (source, partition)
    LEFT JOIN retired USING (source, partition)
), faults AS (
    SELECT format('%s/%s: ordinals %s to %s, %s of them in %s rows', source, partition,
        first_ordinal, last_ordinal, ordinals, rows) AS fault
    FROM compared
    WHERE first_ordinal < 1 OR (first_ordinal <> 1 AND excused = 0) OR ordinals <> expected
        OR rows <> ordinals
    UNION ALL
    SELECT format('%s/%s: a row for ordinal %s, which was lost', source, partition,
        ticks.ordinal)
    FROM stored_ordinals ticks JOIN gaps USING (input, source, partition)
    WHERE input = 'ticks' AND reason IN ('tape_lost', 'hole') AND gaps.ordinal IS NULL
        AND ticks.ordinal BETWEEN gaps.first_ordinal AND gaps.last_ordinal
    LIMIT 5
)
SELECT coalesce(sum(expected), 0)::numeric AS expected, coalesce(sum(rows), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM compared;

\echo rows_as_booked: the rows are those that the books name, which were kept in the same transactions
-- check: rows_as_booked: the rows are those that the books name, which were kept in the same transactions
WITH stored AS (
    SELECT 'ticks' AS input, source, partition, count(*) AS rows, max(ordinal) AS last_ordinal
    FROM stored_ordinals
    WHERE input = 'ticks'
    GROUP BY source, partition
), books AS (
    SELECT input, source, partition, sum(written + replayed) AS written,
        max(last_ordinal) AS last_ordinal
    FROM sink_source_ordinals
    WHERE input = 'ticks'
    GROUP BY input, source, partition
), retired AS (
    SELECT input, source, partition, sum(rows) AS retired
    FROM retired_rows
    GROUP BY input, source, partition
), compared AS (
    SELECT source, partition, coalesce(written, 0) AS written,
        coalesce(rows, 0) + coalesce(retired, 0) AS rows,
        coalesce(books.last_ordinal, 0) AS booked, coalesce(stored.last_ordinal, 0) AS present
    FROM books FULL JOIN stored USING (input, source, partition)
    LEFT JOIN retired USING (input, source, partition)
), faults AS (
    SELECT format('%s/%s: %s rows up to ordinal %s, the books say %s up to %s', source, partition,
        rows, present, written, booked) AS fault
    FROM compared
    WHERE rows <> written OR present > booked
    ORDER BY source, partition
    LIMIT 5
)
SELECT coalesce(sum(written), 0)::numeric AS expected, coalesce(sum(rows), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM compared;

\echo books_balanced: of each range of ordinals every one was written, set aside, skipped or is a gap
-- check: books_balanced: of each range of ordinals every one was written, set aside, skipped or is a gap
WITH faults AS (
    SELECT format('%s %s/%s: %s', input, source, partition, missing) AS fault
    FROM sink_audit
    WHERE missing <> 0
    ORDER BY input, source, partition
    LIMIT 5
)
SELECT coalesce(sum(last_ordinal - first_ordinal + 1), 0)::numeric AS expected,
    coalesce(sum(written + dead_lettered + skipped + gaps), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM sink_audit;

\echo bars_stored: every bar that the writers took from the tape is a row, or a later version of it is
-- check: bars_stored: every bar that the writers took from the tape is a row, or a later version of it is
WITH stored AS (
    SELECT partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
        sum(replaced) AS replaced
    FROM bars
    GROUP BY partition
), others AS (
    -- Late ticks, and what this version does not know, have ordinals of the same stream. What is
    -- derived over all partitions is a source of its own, with ordinals of its own.
    SELECT partition, count(*) AS others, count(DISTINCT (source, ordinal)) AS other_ordinals
    FROM stored_ordinals
    WHERE input = 'bars'
    GROUP BY partition
), books AS (
    SELECT partition, sum(written + replayed) AS written, bool_and(first_ordinal = 1) AS from_first
    FROM sink_source_ordinals
    WHERE input = 'bars'
    GROUP BY partition
), retired AS (
    SELECT partition, sum(rows + replaced) AS retired
    FROM retired_rows
    WHERE input = 'bars'
    GROUP BY partition
), compared AS (
    SELECT partition, coalesce(written, 0) - coalesce(retired, 0) AS written,
        coalesce(rows, 0) AS rows,
        coalesce(ordinals, 0) AS ordinals, coalesce(replaced, 0) AS replaced,
        coalesce(others, 0) AS others, coalesce(other_ordinals, 0) AS other_ordinals,
        coalesce(from_first, false) AS from_first
    FROM books FULL JOIN stored USING (partition) FULL JOIN others USING (partition)
    LEFT JOIN retired USING (partition)
), faults AS (
    SELECT format('partition %s: %s rows with %s ordinals in place of %s more, and %s of other '
        'kinds; the books say %s%s', partition, rows, ordinals, replaced, others, written,
        CASE WHEN from_first THEN '' ELSE ', not from the first one' END) AS fault
    FROM compared
    WHERE rows + replaced + others <> written OR ordinals <> rows OR other_ordinals <> others
        OR NOT from_first
    ORDER BY partition
    LIMIT 5
)
SELECT coalesce(sum(written), 0)::numeric AS expected,
    coalesce(sum(rows + replaced + others), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM compared;

-- Order within a window is (event time, source, ordinal). A trade counts when it is a new one with
-- a price and a size, and no snapshot (1). In whole units of 1e-9 and 1e-8 price times size is
-- exact, and div() cuts towards zero: twice the dividend plus the divisor, by twice the divisor, is
-- half away from zero. The join is a full one on purpose: tables that were never analyzed lead the
-- planner into nested loops, which a full join cannot be.
--
-- A bar that was never repaired has no backfilled trades (4) and none that are listed as late, but
-- those that were taken back later. One that was repaired is mended: without those that were taken
-- back, with the corrected values, the backfilled ones, and the late ones that were listed before.
-- A repair gives its reason; a window that was open then closes as usual, mended all the same. Only
-- series of trades whose windows stand side by side are computed here: the others, and those with
-- rules for conditions, are for `tapeline prove`, and so are those behind nodes that keep ticks back.
\echo bars_equal_sql: each stored bar equals the bar that SQL computes from the stored trades
-- check: bars_equal_sql: each stored bar equals the bar that SQL computes from the stored trades
WITH graph AS (
    SELECT key AS series, value AS nodes
    FROM jsonb_each(nullif(current_setting('tapeline.graph', true), '')::jsonb)
), left_out AS (
    SELECT DISTINCT l.of_source AS source, l.partition, l.of_ordinal AS ordinal, g.series
    FROM late_ticks l JOIN graph g ON g.nodes ? l.series
    WHERE l.reason = 'duplicate'
), plain_series AS (
    SELECT series
    FROM bars
    WHERE number = 0 AND close_time_ns > open_time_ns
    GROUP BY series
    HAVING bool_and(open_time_ns % (close_time_ns - open_time_ns) = 0)
        AND count(DISTINCT close_time_ns - open_time_ns) <= count(DISTINCT generation)
        AND (sum(volume) > 0 OR sum(trades) = 0)
        AND sum(excluded_condition + excluded_odd_lot) = 0
        -- A node that keeps trades back counts more than what is no new trade or was taken back.
        AND sum(excluded_filter) <= (
            SELECT count(*) + count(*) FILTER (WHERE action <> 0) FROM trades
            WHERE action <> 0 OR flags & 1 = 1)
        AND series NOT IN (SELECT series FROM graph WHERE nodes = 'null')
        AND (series IN (SELECT series FROM graph)
            OR NOT EXISTS (SELECT FROM late_ticks WHERE reason = 'duplicate'))
), series AS (
    SELECT DISTINCT series, close_time_ns - open_time_ns AS width
    FROM bars JOIN plain_series USING (series)
    WHERE number = 0
), taken_back AS (
    SELECT DISTINCT symbol, source, provider_id FROM trades
    WHERE action = 2 AND provider_id IS NOT NULL
), corrected AS (
    SELECT DISTINCT ON (symbol, source, provider_id) symbol, source, provider_id, price, size
    FROM trades
    WHERE action = 1 AND provider_id IS NOT NULL
    ORDER BY symbol, source, provider_id, partition, ordinal DESC
), late AS (
    SELECT of_source AS source, partition, of_ordinal AS ordinal, series, min(ordinal) AS listed
    FROM late_ticks
    WHERE kind = 'trade'
    GROUP BY 1, 2, 3, 4
), judged AS (
    SELECT t.symbol, t.event_time_ns, t.source, t.ordinal, s.series, s.width,
        t.event_time_ns - (t.event_time_ns % s.width + s.width) % s.width AS open_time_ns,
        t.price, t.size, coalesce(c.price, t.price) AS mended_price,
        coalesce(c.size, t.size) AS mended_size, l.listed,
        t.flags & 4 = 0 AND l.listed IS NULL AS is_plain, x.provider_id IS NULL AS is_mended
    FROM trades t CROSS JOIN series s
    LEFT JOIN taken_back x USING (symbol, source, provider_id)
    LEFT JOIN corrected c USING (symbol, source, provider_id)
    LEFT JOIN late l ON (l.source, l.partition, l.ordinal, l.series)
        = (t.source, t.partition, t.ordinal, s.series)
    LEFT JOIN left_out d ON (d.source, d.partition, d.ordinal, d.series)
        = (t.source, t.partition, t.ordinal, s.series)
    WHERE t.action = 0 AND t.flags & 1 = 0 AND t.price IS NOT NULL AND t.size >= 0
        AND d.ordinal IS NULL
), touched AS MATERIALIZED (
    SELECT DISTINCT j.series, j.width, j.symbol, j.open_time_ns, b.revision
    FROM judged j LEFT JOIN bars b ON (b.symbol, b.series, b.open_time_ns, b.number)
        = (j.symbol, j.series, j.open_time_ns, 0)
    WHERE NOT j.is_plain OR NOT j.is_mended OR j.mended_price <> j.price
        OR j.mended_size <> j.size
), counted AS (
    SELECT false AS is_repaired, series, width, symbol, open_time_ns, event_time_ns, source,
        ordinal, price, size, price * 1e9 * (size * 1e8) AS notional
    FROM judged
    WHERE is_plain
    UNION ALL
    SELECT true, series, width, symbol, open_time_ns, event_time_ns, source, ordinal,
        mended_price, mended_size, mended_price * 1e9 * (mended_size * 1e8)
    FROM judged JOIN touched USING (series, width, symbol, open_time_ns)
    WHERE is_mended AND (listed IS NULL OR listed < revision)
), computed AS MATERIALIZED (
    SELECT is_repaired, series, width, symbol, open_time_ns,
        (array_agg(price ORDER BY event_time_ns, source COLLATE "C", ordinal))[1] AS open,
        max(price) AS high, min(price) AS low,
        (array_agg(price ORDER BY event_time_ns DESC, source COLLATE "C" DESC, ordinal DESC))[1]
            AS close,
        sum(size) AS volume, count(*) AS trades, sum(notional) AS notional
    FROM counted
    GROUP BY 1, 2, 3, 4, 5
), expected AS (
    SELECT is_repaired, series, symbol, open_time_ns, width, open, high, low, close, volume,
        trades, notional * 1e-17 AS notional,
        CASE WHEN volume > 0 THEN
            1e-9
                * div(2 * notional + sign(notional) * volume * 1e8, 2 * volume * 1e8)
        END AS vwap
    FROM computed
), stored AS (
    -- Of windows whose trades retention has dropped nothing can be computed any more; of one that
    -- has no trades (it was withdrawn, or filled in) there is nothing to compute.
    SELECT b.*, t.symbol IS NOT NULL AS is_touched
    FROM bars b JOIN plain_series USING (series)
    LEFT JOIN touched t ON (t.symbol, t.series, t.open_time_ns, t.width)
        = (b.symbol, b.series, b.open_time_ns, b.close_time_ns - b.open_time_ns)
    WHERE number = 0 AND b.trades > 0 AND ts >= coalesce(
        (SELECT max(until) FROM retired_rows WHERE table_name = 'trades'), '-infinity')
), versions AS (
    -- Repaired for certain, or perhaps: then it may equal either.
    SELECT *, false AS is_repaired FROM stored
    WHERE NOT is_touched OR reason IN ('closed', 'late')
    UNION ALL
    SELECT *, true FROM stored WHERE is_touched
), compared AS MATERIALIZED (
    SELECT b.symbol, b.series, b.ts, e.trades IS NOT NULL AS is_computed,
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
    FULL JOIN expected e ON (e.symbol, e.series, e.open_time_ns, e.width, e.is_repaired)
        = (b.symbol, b.series, b.open_time_ns, b.close_time_ns - b.open_time_ns, b.is_repaired)
), judgement AS (
    SELECT DISTINCT ON (symbol, series, ts) *
    FROM compared
    WHERE symbol IS NOT NULL
    ORDER BY symbol, series, ts, (is_computed AND difference = '') DESC, is_computed DESC
), faults AS (
    SELECT format('%s %s %s: %s', symbol, series, ts,
        CASE WHEN is_computed THEN difference ELSE 'no trades' END) AS fault
    FROM judgement
    WHERE difference <> ''
    ORDER BY ts, symbol, series
    LIMIT 5
)
SELECT count(*)::numeric AS expected, (count(*) FILTER (WHERE difference = ''))::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    concat_ws('; ', (SELECT string_agg(fault, '; ') FROM faults),
        (SELECT 'not computed here but by tapeline prove: '
                || string_agg(series, ', ' ORDER BY series)
            FROM (SELECT DISTINCT series FROM bars) AS stored_series
            WHERE series NOT IN (SELECT series FROM plain_series))) AS detail
FROM judgement;

-- Late ticks that are listed are outside of it, until a repair counts them; those that were taken
-- back or filled in may be in a bar or not, as `bars_equal_sql` says.
-- Closed: the window ends no later than the latest bar of its source and partition. A series that
-- only a part of the generations has counts from its first bar on, or up to its last one.
\echo trades_counted_once: each trade of a closed window is counted in exactly one bar of each series
-- check: trades_counted_once: each trade of a closed window is counted in exactly one bar of each series
WITH kept AS (
    -- Before it retention has dropped trades, or bars.
    SELECT coalesce(max(extract(epoch FROM until) * 1000000000)::bigint, -9223372036854775808) AS ns
    FROM retired_rows
    WHERE table_name IN ('trades', 'bars')
), graph AS (
    SELECT key AS series, value AS nodes
    FROM jsonb_each(nullif(current_setting('tapeline.graph', true), '')::jsonb)
), left_out AS (
    SELECT DISTINCT l.of_source AS source, l.partition, l.of_ordinal AS ordinal, g.series
    FROM late_ticks l JOIN graph g ON g.nodes ? l.series
    WHERE l.reason = 'duplicate'
), plain_series AS (
    SELECT series
    FROM bars
    WHERE number = 0 AND close_time_ns > open_time_ns
    GROUP BY series
    HAVING bool_and(open_time_ns % (close_time_ns - open_time_ns) = 0)
        AND count(DISTINCT close_time_ns - open_time_ns) <= count(DISTINCT generation)
        AND (sum(volume) > 0 OR sum(trades) = 0)
        AND sum(excluded_condition + excluded_odd_lot) = 0
        -- A node that keeps trades back counts more than what is no new trade or was taken back.
        AND sum(excluded_filter) <= (
            SELECT count(*) + count(*) FILTER (WHERE action <> 0) FROM trades
            WHERE action <> 0 OR flags & 1 = 1)
        AND series NOT IN (SELECT series FROM graph WHERE nodes = 'null')
        AND (series IN (SELECT series FROM graph)
            OR NOT EXISTS (SELECT FROM late_ticks WHERE reason = 'duplicate'))
), made AS (
    SELECT source, partition, series, close_time_ns - open_time_ns AS width,
        min(generation) AS first_generation, max(generation) AS last_generation,
        min(open_time_ns) AS first_ns, max(close_time_ns) AS last_ns
    FROM bars JOIN plain_series USING (series)
    WHERE number = 0
    GROUP BY 1, 2, 3, 4
), closed AS MATERIALIZED (
    SELECT source, partition, series, width,
        CASE WHEN first_generation > min(first_generation) OVER whole THEN first_ns END AS from_ns,
        CASE WHEN last_generation < max(last_generation) OVER whole THEN last_ns
            ELSE max(last_ns) OVER whole END AS until_ns
    FROM made
    WINDOW whole AS (PARTITION BY source, partition)
), taken_back AS (
    SELECT DISTINCT symbol, source, provider_id FROM trades
    WHERE action = 2 AND provider_id IS NOT NULL
), late AS (
    SELECT of_source AS source, partition, of_ordinal AS ordinal, series, min(ordinal) AS listed
    FROM late_ticks
    WHERE kind = 'trade'
    GROUP BY 1, 2, 3, 4
), stored AS (
    SELECT series, symbol, open_time_ns, sum(trades) AS trades, max(revision) AS revision,
        bool_or(reason NOT IN ('closed', 'late')) AS is_repaired
    FROM bars JOIN plain_series USING (series)
    WHERE number = 0 AND open_time_ns >= (SELECT ns FROM kept)
    GROUP BY 1, 2, 3
), windows AS (
    SELECT t.series, t.symbol, t.open_time_ns,
        count(*) FILTER (WHERE is_plain) AS trades,
        count(*) FILTER (WHERE is_mended AND (listed IS NULL OR listed < b.revision)) AS mended
    FROM (
        SELECT series, t.symbol, t.event_time_ns - (t.event_time_ns % width + width) % width
                AS open_time_ns,
            l.listed, t.flags & 4 = 0 AND l.listed IS NULL AS is_plain,
            x.provider_id IS NULL AS is_mended
        FROM trades t JOIN closed USING (source, partition)
        LEFT JOIN taken_back x USING (symbol, source, provider_id)
        LEFT JOIN late l USING (source, partition, ordinal, series)
        LEFT JOIN left_out d USING (source, partition, ordinal, series)
        WHERE action = 0 AND flags & 1 = 0 AND price IS NOT NULL AND size >= 0
            AND d.ordinal IS NULL
            AND t.event_time_ns - (t.event_time_ns % width + width) % width + width <= until_ns
            AND (from_ns IS NULL
                OR t.event_time_ns - (t.event_time_ns % width + width) % width >= from_ns)
            AND t.event_time_ns - (t.event_time_ns % width + width) % width
                >= (SELECT ns FROM kept)
    ) AS t
    LEFT JOIN stored b USING (series, symbol, open_time_ns)
    GROUP BY 1, 2, 3
), compared AS (
    SELECT series, symbol, open_time_ns,
        -- A window whose trades were all taken back while it was open makes no bar.
        CASE WHEN coalesce(is_repaired, false) OR coalesce(stored.trades, 0) = mended
            THEN coalesce(mended, 0)
            ELSE coalesce(windows.trades, 0) END AS expected,
        coalesce(stored.trades, 0) AS found
    FROM windows FULL JOIN stored USING (series, symbol, open_time_ns)
), faults AS (
    SELECT format('%s %s %s: %s of %s trades', symbol, series,
        to_timestamp(open_time_ns / 1000000000), found, expected) AS fault
    FROM compared
    WHERE expected <> found
    ORDER BY open_time_ns, symbol, series
    LIMIT 5
)
SELECT coalesce(sum(expected), 0)::numeric AS expected, coalesce(sum(found), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM compared;
