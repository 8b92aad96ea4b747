-- Makes rows of dead letters (`tapeline dlq replay`), in one transaction:
--   SELECT begin_replay(...);  INSERT of the row, if it is not there;
--   SELECT note_replayed(...), only if the row was not there
-- Both functions run with the rights of the schema's owner, because no other role may change the
-- books. replay_state reads them with the rights of its caller.

-- Returns the state of an ordinal in the books:
--   'settled'  it was read, and the writer will never write it: a row may be made
--   'ahead'    the writer has not committed it: it will, or sets it aside once more
--   'unknown'  nothing of this source was ever written here
--   'missing'  it is in a gap that a copy from another store may fill, with a row of its own
-- p_group is the group of tables of the row.
CREATE OR REPLACE FUNCTION replay_state(
    p_sink text, p_input text, p_partition integer, p_source text, p_ordinal bigint, p_group text
) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce((
        SELECT CASE WHEN p_ordinal < o.first_ordinal THEN 'unknown'
            WHEN p_ordinal > o.last_ordinal OR p_ordinal >= a.first_ordinal
                -- The source began since a group waits apart, which has read nothing of it.
                OR EXISTS (SELECT FROM apart_groups g
                    WHERE (g.sink, g.input, g.partition) = (o.sink, o.input, o.partition)
                        AND NOT g.sources @> jsonb_build_array(
                            jsonb_build_object('source', o.source))) THEN 'ahead'
            WHEN EXISTS (SELECT FROM book_gaps g
                WHERE (g.sink, g.input, g.partition, g.source)
                    = (p_sink, p_input, p_partition, p_source)
                    AND (g.reason IN ('hole', 'tape_lost') OR g.table_group = p_group)
                    AND p_ordinal BETWEEN g.first_ordinal AND g.last_ordinal) THEN 'missing'
            ELSE 'settled' END
        FROM sink_source_ordinals o
        -- Since a group of tables waits apart, its books are not these.
        LEFT JOIN apart_counts a USING (sink, input, partition, source)
        WHERE (o.sink, o.input, o.partition, o.source)
            = (p_sink, p_input, p_partition, p_source)), 'unknown')
$$;

-- Locks the source's row of the books until the transaction ends. So two replays of one letter take
-- turns, and the second one finds the row. Returns the state of the ordinal, as replay_state does.
CREATE OR REPLACE FUNCTION begin_replay(
    p_sink text, p_input text, p_partition integer, p_source text, p_ordinal bigint, p_group text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM FROM sink_source_ordinals o
    WHERE (o.sink, o.input, o.partition, o.source) = (p_sink, p_input, p_partition, p_source)
    FOR UPDATE;
    RETURN replay_state(p_sink, p_input, p_partition, p_source, p_ordinal, p_group);
END
$$;

-- Records that a row was made of the dead letter of this ordinal. A constraint of the table refuses more
-- replays than dead letters. The row is known from now on, and the stretch of its loss goes with the last
-- of its letters.
CREATE OR REPLACE FUNCTION note_replayed(
    p_sink text, p_input text, p_partition integer, p_source text, p_ordinal bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE sink_source_ordinals o SET replayed = o.replayed + 1
    WHERE (o.sink, o.input, o.partition, o.source) = (p_sink, p_input, p_partition, p_source);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the books of sink % know no source % in partition % of %', p_sink, p_source,
            p_partition, p_input USING ERRCODE = 'TL011';
    END IF;
    DELETE FROM version_losses l
    WHERE (l.input, l.partition, l.source) = (p_input, p_partition, p_source)
        AND p_ordinal BETWEEN l.first_ordinal AND l.last_ordinal AND l.letters = 1;
    IF NOT FOUND THEN
        UPDATE version_losses l SET letters = l.letters - 1
        WHERE (l.input, l.partition, l.source) = (p_input, p_partition, p_source)
            AND p_ordinal BETWEEN l.first_ordinal AND l.last_ordinal;
    END IF;
    INSERT INTO replayed_rows (input, partition, source, ordinal)
    VALUES (p_input, p_partition, p_source, p_ordinal) ON CONFLICT DO NOTHING;
    UPDATE stored_stretches k SET has_replayed = true
    WHERE (k.input, k.partition, k.source) = (p_input, p_partition, p_source)
        AND k.first_ordinal = (SELECT max(s.first_ordinal) FROM stored_stretches s
            WHERE (s.input, s.partition, s.source) = (p_input, p_partition, p_source)
                AND s.first_ordinal <= p_ordinal)
        AND k.last_ordinal >= p_ordinal AND NOT k.has_replayed;
END
$$;
