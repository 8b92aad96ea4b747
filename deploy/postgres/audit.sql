-- Checks, from the rows alone, that every tick of the tape is stored once, and that every bar
-- equals the one that plain SQL computes from the stored trades.
--
--   psql -v schema=md -f deploy/postgres/audit.sql
--
-- If a graph has nodes before its series, name them with -v graph='{"1m": ["unique"]}'. For each
-- series these are the nodes that remove duplicates, or null if other nodes also keep ticks back.
-- `tapeline audit` takes them from OPERATOR_GRAPH. If duplicates were left out and nothing is known
-- about a series, it is not computed here; `bars_equal_sql` names it.
--
-- To audit a part: -v from=2026-11-20 -v to=2026-11-21 (UTC if no zone is given). Then the checks
-- that need all rows are left out, and checks of rows read only ticks and windows of bars within
-- [from, to).
--
-- Run it when everything is written: the gateway stopped or finished, the writers without lag. Each
-- check returns one row: what is expected, what was found, whether that is right, and the places
-- that are wrong.
--
-- For programs: a check is the one statement after a line "-- check: <name>: <sentence>". Its
-- columns are expected, found (numeric), ok (boolean), detail (text). The next line names what it
-- reads as "-- reads: books" (milliseconds), "all" (every row), "rows" (the rows of a range, or
-- all) or "range" (the rows of a range; only for ranges). A line "\ir <file>" includes that file
-- from this folder. Other lines that begin with a backslash are psql's own and are ignored by
-- programs. :'from' and :'to' stand for the bounds, :'before' and :'after' for a day before and
-- after them; without a range they are '-infinity' and 'infinity'. A statement needs nothing of
-- what precedes the first check, except the namespace in search_path, and the graph in
-- tapeline.graph if it has such nodes. Without the planner settings below it may take hours.

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
SET timezone = 'UTC';
-- Each table is read once. The planner does not know the number of rows of a CTE. By default it
-- would look up tens of thousands of rows one by one, or sort millions of texts. Hash plans are
-- right for all checks.
SET enable_nestloop = off;
SET enable_mergejoin = off;
SET enable_sort = off;
\set is_range 1
\if :{?from}
\elif :{?to}
\else
\set is_range 0
\endif
\if :{?from}
\else
\set from -infinity
\endif
\if :{?to}
\else
\set to infinity
\endif
SELECT CASE WHEN isfinite(:'from'::timestamptz) THEN :'from'::timestamptz - interval '1 day'
        ELSE '-infinity' END AS before,
    CASE WHEN isfinite(:'to'::timestamptz) THEN :'to'::timestamptz + interval '1 day'
        ELSE 'infinity' END AS after
\gset
\pset footer off

-- The only ordinals without a row are those that the books name: skipped, set aside and not
-- replayed, or lost with the tape.
\if :is_range
\else
\echo ticks_stored_once: each ordinal from 1 to the last of its source and partition is one row
-- check: ticks_stored_once: each ordinal from 1 to the last of its source and partition is one row
-- reads: all
WITH stored AS (
    SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
        min(ordinal) AS first_ordinal, max(ordinal) AS last_ordinal
    FROM stored_ordinals
    WHERE input = 'ticks'
    GROUP BY source, partition
), excused AS (
    SELECT source, partition, sum(skipped + dead_lettered - replayed + gaps + waiting) AS ordinals,
        max(last_ordinal) AS last_ordinal
    FROM sink_audit
    WHERE input = 'ticks'
    GROUP BY source, partition
    HAVING sum(skipped + dead_lettered - replayed + gaps + waiting) > 0
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
\endif

\if :is_range
\else
\echo rows_as_booked: the rows are those that the books name, which were kept in the same transactions
-- check: rows_as_booked: the rows are those that the books name, which were kept in the same transactions
-- reads: all
WITH stored AS (
    SELECT 'ticks' AS input, source, partition, count(*) AS rows, max(ordinal) AS last_ordinal
    FROM stored_ordinals
    WHERE input = 'ticks'
    GROUP BY source, partition
), books AS (
    SELECT input, source, partition, sum(written + replayed) AS written,
        max(last_ordinal) AS last_ordinal
    FROM sink_audit
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
\endif

\echo books_balanced: of each range of ordinals every one was written, set aside, skipped or is a gap
-- check: books_balanced: of each range of ordinals every one was written, set aside, skipped or is a gap
-- reads: books
WITH faults AS (
    SELECT format('%s %s/%s: %s', input, source, partition, missing)
        || CASE WHEN waiting <> 0 THEN format(', and %s left to tables that wait apart', waiting)
            ELSE '' END AS fault
    FROM sink_audit a
    -- What is left to tables that wait apart needs such tables.
    WHERE missing <> 0 OR waiting < 0 OR waiting > 0 AND NOT EXISTS (SELECT FROM apart_groups g
        WHERE (g.sink, g.input, g.partition) = (a.sink, a.input, a.partition))
    ORDER BY input, source, partition
    LIMIT 5
)
SELECT coalesce(sum(last_ordinal - first_ordinal + 1), 0)::numeric AS expected,
    coalesce(sum(written + dead_lettered + skipped + gaps + waiting), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM sink_audit;

\if :is_range
\else
\echo bars_stored: every bar that the writers took from the tape is a row, or a later version of it is
-- check: bars_stored: every bar that the writers took from the tape is a row, or a later version of it is
-- reads: all
WITH stored AS (
    SELECT partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
        sum(replaced) AS replaced
    FROM stored_bars
    GROUP BY partition
), others AS (
    -- Late ticks, and records that this version does not know, have ordinals of the same stream.
    -- The data derived over all partitions are a separate source with its own ordinals.
    SELECT partition, count(*) AS others, count(DISTINCT (source, ordinal)) AS other_ordinals
    FROM stored_ordinals
    WHERE input = 'bars'
    GROUP BY partition
), books AS (
    SELECT partition, sum(written + replayed) AS written, bool_and(first_ordinal = 1) AS from_first
    FROM sink_audit
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
\endif

-- `replaced` of a bar counts its earlier versions. Those that retention has dropped are no rows. A
-- partition's versions are taken by the tape in the order of their revisions, so the later one is never
-- taken before an earlier one.
\echo versions_stored: every earlier version of a bar is one row, taken in the order of the tape
-- check: versions_stored: every earlier version of a bar is one row, taken in the order of the tape
-- reads: rows
WITH standing AS MATERIALIZED (
    SELECT symbol, series, ts, number, source, partition, revision, replaced, taken_at
    FROM bars
    WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
), earlier AS MATERIALIZED (
    SELECT symbol, series, ts, number, source, partition, revision, taken_at
    FROM bar_versions
    WHERE ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
), counted AS (
    SELECT symbol, series, ts, number, source, count(*) AS rows, max(revision) AS highest
    FROM earlier
    GROUP BY symbol, series, ts, number, source
), kept AS (
    SELECT coalesce(max(until) FILTER (WHERE table_name = 'bar_versions'), '-infinity') AS versions,
        coalesce(max(until) FILTER (WHERE table_name <> 'bar_versions'), '-infinity') AS bars
    FROM retired_rows
    WHERE table_name IN ('bar_versions', 'bars_short', 'bars_long')
), compared AS (
    SELECT symbol, series, ts, source, coalesce(v.rows, 0) AS rows, b.revision, v.highest,
        CASE WHEN coalesce(v.rows, 0) < b.replaced AND ts < kept.versions
            THEN coalesce(v.rows, 0) ELSE b.replaced END AS expected
    FROM standing b FULL JOIN counted v USING (symbol, series, ts, number, source)
    CROSS JOIN kept
    WHERE b.symbol IS NOT NULL OR ts >= kept.bars
), ordered AS (
    SELECT symbol, series, ts, source, taken_at, revision,
        max(taken_at) OVER (PARTITION BY partition ORDER BY revision
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_before
    FROM (SELECT symbol, series, ts, source, partition, revision, taken_at FROM standing
        UNION ALL
        SELECT symbol, series, ts, source, partition, revision, taken_at FROM earlier) AS versions
), faults AS (
    SELECT ts, format('%s of %s %s %s: %s earlier versions, not %s', symbol, source, series, ts, rows,
        coalesce(expected::text, 'of any bar')) AS fault
    FROM compared
    WHERE rows IS DISTINCT FROM expected
    UNION ALL
    SELECT ts, format('%s of %s %s %s: revision %s was replaced, but %s stands', symbol, source, series,
        ts, highest, revision)
    FROM compared
    WHERE highest >= revision
    UNION ALL
    SELECT ts, format('%s of %s %s %s: revision %s taken at %s, one before it at %s', symbol, source,
        series, ts, revision, taken_at, taken_before)
    FROM ordered
    WHERE taken_at < taken_before
)
SELECT coalesce(sum(expected), 0)::numeric AS expected, coalesce(sum(rows), 0)::numeric AS found,
    NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ' ORDER BY ts, fault)
        FROM (SELECT * FROM faults ORDER BY ts, fault LIMIT 5) AS first), '') AS detail
FROM compared;

-- Ticks are stored by their event time, but ordinals follow the order of receipt. So each ordinal
-- between the lowest and the highest one received within the range must be a row somewhere. The
-- check searches the range, the days beside it and the first day of 1970 (no time), and all other
-- days only if some are still missing. Skipped records and dead letters have no ordinals in the
-- books, so that many may be missing. Rows that retention has dropped are allowed for in the same
-- way.
\if :is_range
\echo ticks_of_range: of the ticks received within the range each ordinal is one row
-- check: ticks_of_range: of the ticks received within the range each ordinal is one row
-- reads: range
WITH inside AS MATERIALIZED (
    SELECT source, partition, ordinal, receive_time
    FROM stored_ordinals
    WHERE input = 'ticks' AND ts >= :'from'::timestamptz AND ts < :'to'::timestamptz
), lanes AS MATERIALIZED (
    SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
        max(ordinal) AS last_ordinal, min(ordinal) FILTER (WHERE is_received) AS lowest,
        max(ordinal) FILTER (WHERE is_received) AS highest
    FROM (SELECT *, receive_time >= :'from'::timestamptz AND receive_time < :'to'::timestamptz
            AS is_received FROM inside) AS inside
    GROUP BY source, partition
), present AS (
    SELECT source, partition, count(DISTINCT ordinal) AS ordinals
    FROM inside JOIN lanes USING (source, partition)
    WHERE ordinal BETWEEN lowest AND highest
    GROUP BY source, partition
), lost AS (
    SELECT source, partition,
        sum(least(g.last_ordinal, highest) - greatest(first_ordinal, lowest) + 1) AS ordinals
    FROM gaps g JOIN lanes USING (source, partition)
    WHERE input = 'ticks' AND reason IN ('tape_lost', 'hole') AND g.ordinal IS NULL
        AND first_ordinal <= highest AND g.last_ordinal >= lowest
    GROUP BY source, partition
), excused AS (
    SELECT source, partition, sum(skipped + dead_lettered - replayed + waiting) AS ordinals,
        max(last_ordinal) AS booked
    FROM sink_audit
    WHERE input = 'ticks'
    GROUP BY source, partition
), retired AS (
    SELECT source, partition, sum(rows) AS ordinals
    FROM retired_rows
    WHERE input = 'ticks'
    GROUP BY source, partition
), open AS MATERIALIZED (
    SELECT source, partition, lanes.rows, lanes.ordinals, lanes.last_ordinal, lowest, highest,
        coalesce(highest - lowest + 1 - present.ordinals - coalesce(lost.ordinals, 0), 0) AS missing,
        coalesce(excused.ordinals, 0) + coalesce(retired.ordinals, 0) AS excused,
        coalesce(booked, 0) AS booked
    FROM lanes LEFT JOIN present USING (source, partition) LEFT JOIN lost USING (source, partition)
    LEFT JOIN excused USING (source, partition) LEFT JOIN retired USING (source, partition)
), beside AS (
    SELECT source, partition, ordinal FROM stored_ordinals
    WHERE input = 'ticks' AND ts >= :'before'::timestamptz
        AND ts < :'from'::timestamptz
    UNION ALL
    SELECT source, partition, ordinal FROM stored_ordinals
    WHERE input = 'ticks' AND ts >= :'to'::timestamptz
        AND ts < :'after'::timestamptz
    UNION ALL
    SELECT source, partition, ordinal FROM stored_ordinals
    WHERE input = 'ticks' AND ts >= '1970-01-01 00:00+00' AND ts < '1970-01-02 00:00+00'
        AND NOT (ts >= :'before'::timestamptz
            AND ts < :'after'::timestamptz)
), near AS MATERIALIZED (
    SELECT source, partition, count(DISTINCT ordinal) AS ordinals
    FROM beside JOIN (SELECT * FROM open WHERE missing > 0) AS open USING (source, partition)
    WHERE ordinal BETWEEN lowest AND highest
    GROUP BY source, partition
), still_open AS MATERIALIZED (
    SELECT source, partition, lowest, highest
    FROM open LEFT JOIN near USING (source, partition)
    WHERE missing - coalesce(near.ordinals, 0) > excused
), far AS (
    SELECT source, partition, count(DISTINCT ordinal) AS ordinals
    FROM stored_ordinals JOIN still_open USING (source, partition)
    WHERE input = 'ticks' AND ordinal BETWEEN lowest AND highest
        AND (SELECT count(*) FROM still_open) > 0
        AND NOT (ts >= '1970-01-01 00:00+00' AND ts < '1970-01-02 00:00+00')
        AND NOT (ts >= :'before'::timestamptz
            AND ts < :'after'::timestamptz)
    GROUP BY source, partition
), compared AS (
    SELECT source, partition, rows, open.ordinals, last_ordinal, booked, lowest, highest,
        missing - coalesce(near.ordinals, 0) - coalesce(far.ordinals, 0) AS missing, excused
    FROM open LEFT JOIN near USING (source, partition) LEFT JOIN far USING (source, partition)
), faults AS (
    SELECT format('%s/%s: %s rows of %s ordinals; of %s to %s %s are no row', source, partition,
        rows, ordinals, lowest, highest, missing) AS fault
    FROM compared
    WHERE rows <> ordinals OR missing > excused OR missing < 0
    UNION ALL
    SELECT format('%s/%s: a row for ordinal %s, the books end at %s', source, partition,
        last_ordinal, booked)
    FROM compared
    WHERE last_ordinal > booked
    UNION ALL
    SELECT format('%s/%s: a row for ordinal %s, which was lost', source, partition, inside.ordinal)
    FROM inside JOIN gaps USING (source, partition)
    WHERE input = 'ticks' AND reason IN ('tape_lost', 'hole') AND gaps.ordinal IS NULL
        AND inside.ordinal BETWEEN gaps.first_ordinal AND gaps.last_ordinal
    LIMIT 5
)
SELECT coalesce(sum(ordinals + greatest(missing - excused, 0)), 0)::numeric AS expected,
    coalesce(sum(rows), 0)::numeric AS found, NOT EXISTS (SELECT FROM faults) AS ok,
    coalesce((SELECT string_agg(fault, '; ') FROM faults), '') AS detail
FROM compared;
\endif

-- Checks that the bars are those of the trades.
\ir audit-bars.sql
