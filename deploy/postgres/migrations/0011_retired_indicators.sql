-- Retention noted derived indicators as rows of the stream of ticks. They are of the bars' stream, where
-- the audit missed them for ever: the lines go where they belong. What a line says of the ordinals and
-- of the time that was dropped stays.
WITH wrong AS (
    DELETE FROM retired_rows
    WHERE table_name = 'indicators' AND input = 'ticks' AND source IN ('operator', 'universe')
    RETURNING *
)
INSERT INTO retired_rows AS r (table_name, input, source, partition, rows, replaced, last_ordinal,
    until, received_until, retired_at)
SELECT table_name, 'bars', source, partition, rows, replaced, last_ordinal, until, received_until,
    retired_at
FROM wrong
ON CONFLICT (table_name, input, source, partition) DO UPDATE
SET rows = r.rows + excluded.rows, replaced = r.replaced + excluded.replaced,
    last_ordinal = greatest(r.last_ordinal, excluded.last_ordinal),
    until = greatest(r.until, excluded.until),
    received_until = greatest(r.received_until, excluded.received_until),
    retired_at = greatest(r.retired_at, excluded.retired_at);
