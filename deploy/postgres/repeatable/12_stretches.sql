-- When the tape took what is stored.

-- Returns when the tape had taken an ordinal; no row if that is not known. It may be up to a second
-- too late, and is not too early while the clock of the tape or of the sender is right. By one of the
-- two it was there at sooner_at. What was a dead letter counts as taken when it was stored. It has no SET search_path, and its names are bound when it is made, so
-- that a query has its text in its own plan: a lookup by an index for each row.
CREATE OR REPLACE FUNCTION taken_at(
    p_input text, p_partition integer, p_source text, p_ordinal bigint
) RETURNS TABLE (taken_at timestamptz, sooner_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE WHEN p.has_replayed THEN coalesce((SELECT r.replayed_at FROM replayed_rows r
            WHERE r.input = p_input AND r.partition = p_partition AND r.source = p_source
                AND r.ordinal = p_ordinal), p.taken_at) ELSE p.taken_at END,
        p.taken_at - p.apart_ms * interval '1 ms'
    FROM (
        SELECT s.has_replayed, s.taken_from + interval '1 us'
                * s.delays_us[width_bucket((p_ordinal - s.first_ordinal)::integer, s.starts)] AS taken_at,
            s.apart_ms[width_bucket((p_ordinal - s.first_ordinal)::integer, s.starts)] AS apart_ms
        FROM (
            SELECT k.first_ordinal, k.last_ordinal, k.taken_from, k.starts, k.delays_us, k.apart_ms,
                k.has_replayed
            FROM stored_stretches k
            WHERE k.input = p_input AND k.partition = p_partition AND k.source = p_source
                AND k.first_ordinal <= p_ordinal
            ORDER BY k.first_ordinal DESC LIMIT 1
        ) AS s
        WHERE s.last_ordinal >= p_ordinal
    ) AS p;
END;
