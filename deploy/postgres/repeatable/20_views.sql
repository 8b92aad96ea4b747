-- The promise as an equation, from the sinks' own books: `missing` is 0 in every row. Ordinals that
-- were lost with the tape are accounted for by rows of `gaps` that the books noted; those that came
-- twice are outside of the equation, because their first coming is in it. `replayed` are those of the
-- dead letters that were stored later: rows = written + replayed. What the tape itself says
-- is missing has an ordinal like any tick, and is written.
CREATE OR REPLACE VIEW sink_audit AS
SELECT o.sink, o.input, o.partition, o.source, o.first_ordinal, o.last_ordinal, o.written,
    o.dead_lettered, o.skipped,
    o.last_ordinal - o.first_ordinal + 1 - o.written - o.dead_lettered - o.skipped
        - lost.ordinals AS missing,
    lost.ordinals AS gaps, o.given_twice, o.replayed
FROM sink_source_ordinals o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.last_ordinal - g.first_ordinal + 1), 0)::bigint AS ordinals
    FROM gaps g
    WHERE (g.sink, g.input, g.partition, g.source) = (o.sink, o.input, o.partition, o.source)
        AND g.reason IN ('tape_lost', 'hole') AND g.ordinal IS NULL
) AS lost;

-- The same from the rows themselves: every ordinal once, none missing in between. Reads the tables
-- as a whole: for an auditor, not for a dashboard.
CREATE OR REPLACE VIEW stored_ticks AS
SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
    min(ordinal) AS first_ordinal, max(ordinal) AS last_ordinal
FROM (
    SELECT source, partition, ordinal FROM trades
    UNION ALL
    SELECT source, partition, ordinal FROM quotes
    UNION ALL
    SELECT source, partition, ordinal FROM gaps WHERE ordinal IS NOT NULL
) ticks
GROUP BY source, partition;
