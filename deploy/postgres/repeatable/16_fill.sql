-- Copies of the rows of another store (`tapeline store fill`), in one transaction:
--   INSERT of the rows;  SELECT fill_ordinals(...)
-- It runs with the rights of the schema's owner, because no other role may change the books.

-- Notes when the tape took the filled ordinals, as the other store's stretches say it. Only ordinals of
-- which no stretch is stored yet get one, so that no two have an ordinal: taken_at finds one. Only
-- fill_ordinals calls this.
CREATE OR REPLACE FUNCTION fill_times(
    p_input text, p_partition integer, p_source text, p_first bigint, p_last bigint, p_stretches jsonb,
    p_replayed jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    known int8multirange;
BEGIN
    SELECT coalesce(range_agg(int8range(k.first_ordinal, k.last_ordinal, '[]')), '{}') INTO known
    FROM stored_stretches k
    WHERE (k.input, k.partition, k.source) = (p_input, p_partition, p_source)
        AND k.first_ordinal <= p_last AND k.last_ordinal >= p_first;
    -- A stretch of the other store may go beyond these ordinals.
    INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal, taken_from,
        starts, delays_us, apart_ms, has_replayed)
    SELECT p_input, p_partition, p_source, lower(part), upper(part) - 1, k.taken_from,
        ARRAY(SELECT greatest(k.starts[i] - cut.from_start, 0)
            FROM generate_series(points.first_one, points.last_one) AS i ORDER BY i),
        k.delays_us[points.first_one:points.last_one], k.apart_ms[points.first_one:points.last_one],
        k.has_replayed
    FROM jsonb_populate_recordset(NULL::stored_stretches, p_stretches) AS k
    CROSS JOIN LATERAL unnest(int8multirange(int8range(k.first_ordinal, k.last_ordinal, '[]'))
        * int8multirange(int8range(p_first, p_last, '[]')) - known) AS part
    CROSS JOIN LATERAL (SELECT (lower(part) - k.first_ordinal)::integer AS from_start,
        (upper(part) - 1 - k.first_ordinal)::integer AS to_start) AS cut
    CROSS JOIN LATERAL (SELECT width_bucket(cut.from_start, k.starts) AS first_one,
        width_bucket(cut.to_start, k.starts) AS last_one) AS points
    ON CONFLICT (input, partition, source, first_ordinal) DO NOTHING;
    WITH noted AS (
        INSERT INTO replayed_rows (input, partition, source, ordinal, replayed_at)
        SELECT p_input, p_partition, p_source, r.ordinal, r.replayed_at
        FROM jsonb_populate_recordset(NULL::replayed_rows, p_replayed) AS r
        WHERE r.ordinal BETWEEN p_first AND p_last
        ON CONFLICT DO NOTHING
        RETURNING ordinal
    )
    UPDATE stored_stretches k SET has_replayed = true
    WHERE (k.input, k.partition, k.source) = (p_input, p_partition, p_source) AND NOT k.has_replayed
        AND EXISTS (SELECT FROM noted n WHERE n.ordinal BETWEEN k.first_ordinal AND k.last_ordinal);
END
$$;

-- Accounts for the ordinals p_first to p_last of a source, whose rows this transaction has inserted. They
-- are a part of a gap of the books (a hole, or lost with the tape), or end right before the first ordinal
-- of the source. p_filled of them are rows. p_named is [{"first_ordinal", "last_ordinal"}, ...]: the rest,
-- which stays a gap. With p_group, they are a part of a hole of that group of tables, which counts as
-- skipped; the rest is of p_named and of what other groups have. p_stretches are rows of stored_stretches of the other store, and p_replayed of its
-- replayed_rows.
--
-- The owner of the position is not disturbed. It waits for this transaction's end if it commits
-- meanwhile, and its totals stay what they are: what is filled has columns of its own.
--
-- Raises TL030 if these ordinals are not missing (any more), or a group waits apart that counts them or has
-- not read past them: it would take them for lost a second time. TL031 if the counts do not add up. On an
-- error nothing is changed.
CREATE OR REPLACE FUNCTION fill_ordinals(
    p_sink text, p_input text, p_partition integer, p_source text, p_first bigint, p_last bigint,
    p_filled bigint, p_named jsonb, p_stretches jsonb, p_replayed jsonb, p_group text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    account sink_source_ordinals;
    gap     gaps;
    -- p_named. Where two of its ranges overlap, the counts do not add up.
    named   int8multirange;
    missing bigint;
    is_extended boolean;
BEGIN
    -- In the order of advance_positions.
    PERFORM FROM sink_positions p
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition)
    FOR UPDATE;
    SELECT * INTO account FROM sink_source_ordinals o
    WHERE (o.sink, o.input, o.partition, o.source) = (p_sink, p_input, p_partition, p_source)
    FOR UPDATE;
    SELECT coalesce(range_agg(int8range(n.first_ordinal, n.last_ordinal, '[]')), '{}') INTO named
    FROM jsonb_to_recordset(p_named) AS n(first_ordinal bigint, last_ordinal bigint)
    WHERE n.first_ordinal BETWEEN p_first AND n.last_ordinal AND n.last_ordinal <= p_last;
    SELECT coalesce(sum(n.last_ordinal - n.first_ordinal + 1), 0) INTO missing
    FROM jsonb_to_recordset(p_named) AS n(first_ordinal bigint, last_ordinal bigint);
    IF p_filled < 0 OR p_first < 1 OR p_filled + missing > p_last - p_first + 1
        OR p_group IS NULL AND p_filled + missing <> p_last - p_first + 1
        OR p_filled > account.skipped - account.filled_skipped AND p_group IS NOT NULL
        OR missing <> (SELECT coalesce(sum(upper(n) - lower(n)), 0) FROM unnest(named) AS n) THEN
        RAISE EXCEPTION 'of ordinals % to % of source % % are rows and % stay missing', p_first, p_last,
            p_source, p_filled, missing USING ERRCODE = 'TL031';
    END IF;
    IF p_group IS NULL AND p_last = coalesce(account.filled_first, account.first_ordinal) - 1 THEN
        UPDATE sink_source_ordinals o SET filled_first = p_first
        WHERE (o.sink, o.input, o.partition, o.source) = (p_sink, p_input, p_partition, p_source);
    ELSE
        SELECT * INTO gap FROM gaps g
        WHERE (g.sink, g.input, g.partition, g.source) = (p_sink, p_input, p_partition, p_source)
            AND g.ordinal IS NULL AND p_first >= g.first_ordinal AND p_last <= g.last_ordinal
            AND CASE WHEN p_group IS NULL THEN g.reason IN ('hole', 'tape_lost')
                ELSE g.reason = 'group_hole' AND g.detail = p_group END;
        IF gap.id IS NULL OR p_group IS NOT NULL AND EXISTS (SELECT FROM apart_groups g
                WHERE (g.sink, g.input, g.partition) = (p_sink, p_input, p_partition))
            OR apart_before(p_sink, p_input, p_partition, p_source, p_last) THEN
            RAISE EXCEPTION 'ordinals % to % of source % in partition % of % are no gap of store %',
                p_first, p_last, p_source, p_partition, p_input, p_sink USING ERRCODE = 'TL030';
        END IF;
        -- The end keeps the row: a later gap may extend it.
        IF p_last < gap.last_ordinal THEN
            UPDATE gaps g SET first_ordinal = p_last + 1 WHERE g.id = gap.id;
        ELSE
            DELETE FROM gaps g WHERE g.id = gap.id;
        END IF;
        IF p_first > gap.first_ordinal THEN
            INSERT INTO gaps (sink, input, partition, source, first_ordinal, last_ordinal, reason,
                noted_at, detail)
            VALUES (p_sink, p_input, p_partition, p_source, gap.first_ordinal, p_first - 1, gap.reason,
                gap.noted_at, gap.detail);
        END IF;
    END IF;
    -- What follows without a row extends the gap, so that steps without rows are one.
    UPDATE gaps g SET first_ordinal = lower(n)
    FROM unnest(named) AS n
    WHERE (g.sink, g.input, g.partition, g.source) = (p_sink, p_input, p_partition, p_source)
        AND g.ordinal IS NULL AND g.reason = coalesce(gap.reason, 'hole')
        AND g.detail = coalesce(gap.detail, '')
        AND g.first_ordinal = p_last + 1 AND upper(n) = p_last + 1;
    is_extended := FOUND;
    INSERT INTO gaps (sink, input, partition, source, first_ordinal, last_ordinal, reason, noted_at,
        detail)
    SELECT p_sink, p_input, p_partition, p_source, lower(n), upper(n) - 1,
        coalesce(gap.reason, 'hole'), coalesce(gap.noted_at, clock_timestamp()), coalesce(gap.detail, '')
    FROM unnest(named) AS n
    WHERE NOT (is_extended AND upper(n) = p_last + 1);
    UPDATE sink_source_ordinals o SET filled = o.filled + p_filled,
        filled_skipped = o.filled_skipped + CASE WHEN p_group IS NULL THEN 0 ELSE p_filled END
    WHERE (o.sink, o.input, o.partition, o.source) = (p_sink, p_input, p_partition, p_source);
    PERFORM fill_times(p_input, p_partition, p_source, p_first, p_last, p_stretches, p_replayed)
    WHERE p_filled > 0;
    -- What was known at a time is certain again when all of the partition is there.
    DELETE FROM version_losses l
    USING (SELECT bool_or(a.gaps > 0 OR EXISTS (SELECT FROM book_gaps b
                WHERE (b.sink, b.input, b.partition, b.reason)
                    = (a.sink, a.input, a.partition, 'group_hole'))) AS has_gaps,
            bool_or(a.first_ordinal > 1) AS begins_later
        FROM sink_audit a
        WHERE (a.sink, a.input, a.partition) = (p_sink, p_input, p_partition)) AS books
    WHERE (l.input, l.partition) = (p_input, p_partition) AND NOT books.has_gaps
        AND (l.reason = 'hole' OR l.reason = 'purged' AND NOT books.begins_later);
END
$$;
