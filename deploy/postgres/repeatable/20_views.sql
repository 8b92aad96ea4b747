-- The promise as an equation, from the sinks' own books: `missing` is 0 in every row.
CREATE OR REPLACE VIEW sink_audit AS
SELECT sink, input, partition, source, first_ordinal, last_ordinal, written, dead_lettered, skipped,
    last_ordinal - first_ordinal + 1 - written - dead_lettered - skipped AS missing
FROM sink_source_ordinals;

-- The same from the rows themselves: every ordinal once, none missing in between. Reads the tables
-- as a whole: for an auditor, not for a dashboard.
CREATE OR REPLACE VIEW stored_ticks AS
SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
    min(ordinal) AS first_ordinal, max(ordinal) AS last_ordinal
FROM (
    SELECT source, partition, ordinal FROM trades
    UNION ALL
    SELECT source, partition, ordinal FROM quotes
) ticks
GROUP BY source, partition;
