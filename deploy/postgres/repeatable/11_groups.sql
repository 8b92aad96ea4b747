-- Groups of tables that wait apart at a position, because one of their tables was blocked: a row of
-- apart_groups each. The row of sink_positions goes forward without the group; its counts say in
-- "apart" how many records are left to groups. `sources` of the group has what became of these, as the
-- columns of sink_source_ordinals say it. Where the two positions meet, the counts are added up there,
-- and the row goes. The owner of a position and its epoch are also those of its groups. `gaps` of `rest`
-- are notes for its table of that name, as note_gaps takes them.

-- What became of the records that were left to groups of tables that wait apart, by source.
CREATE OR REPLACE VIEW apart_counts AS
SELECT g.sink, g.input, g.partition, s.source, sum(s.written)::bigint AS written,
    sum(s.dead_lettered)::bigint AS dead_lettered, min(s.first_ordinal) AS first_ordinal
FROM apart_groups g
CROSS JOIN jsonb_to_recordset(g.sources) AS s(
    source text, first_ordinal bigint, written bigint, dead_lettered bigint)
GROUP BY g.sink, g.input, g.partition, s.source;

-- Up to where all tables have what the tape says: where the last group of tables is that waits apart.
CREATE OR REPLACE VIEW reached_positions AS
SELECT p.sink, p.input, p.partition, p.claimed_at, low.*
FROM sink_positions p
CROSS JOIN LATERAL (
    SELECT p.stream_created_ns, p.sequence, p.packet_epoch, p.packet_ordinal, p.packet_crc,
        p.tape_time_ns, p.sent_time_ns, p.advanced_at
    UNION ALL
    SELECT g.stream_created_ns, g.sequence, g.packet_epoch, g.packet_ordinal, g.packet_crc,
        g.tape_time_ns, g.sent_time_ns,
        -- It may advance, and be far behind.
        least(g.advanced_at, timestamptz 'epoch' + g.tape_time_ns / 1000 * interval '1 us')
    FROM apart_groups g
    WHERE (g.sink, g.input, g.partition) = (p.sink, p.input, p.partition)
    ORDER BY 2, 8 DESC LIMIT 1
) AS low;

CREATE OR REPLACE VIEW reached_ordinals AS
SELECT o.sink, o.input, o.partition, o.source, least(o.last_ordinal, (
    SELECT min(coalesce(s.last_ordinal, o.first_ordinal - 1))
    FROM apart_groups g
    LEFT JOIN LATERAL jsonb_to_recordset(g.sources) AS s(source text, last_ordinal bigint)
        ON s.source = o.source
    WHERE (g.sink, g.input, g.partition) = (o.sink, o.input, o.partition))) AS last_ordinal
FROM sink_source_ordinals o;

-- The ranges of ordinals that the books name, and why, as `gaps` has them; also those that are noted there
-- when a group of tables comes back. `table_group`: of these ordinals only rows of this group are missing,
-- and they are not in the equation of sink_audit a second time. NULL: no table has a row.
CREATE OR REPLACE VIEW book_gaps AS
SELECT sink, input, partition, source, first_ordinal, last_ordinal, reason, detail, noted_at,
    CASE WHEN reason = 'group_hole' THEN detail END AS table_group, false AS is_waiting
FROM gaps WHERE ordinal IS NULL
UNION ALL
SELECT g.sink, g.input, g.partition, n.source, n.first_ordinal, n.last_ordinal, n.reason,
    coalesce(n.detail, ''), g.advanced_at, CASE WHEN n.reason = 'group_hole' THEN n.detail END, true
FROM apart_groups g
CROSS JOIN jsonb_to_recordset(g.gaps) AS n(
    source text, first_ordinal bigint, last_ordinal bigint, reason text, detail text);

-- Returns, as note_gaps takes it, what a group of tables has lost of these ordinals: p_holes is [{"source",
-- "first_ordinal", "last_ordinal"}, ...]. What the books have lost as a whole is not among it, nor are
-- sources of which nothing was left to groups.
CREATE OR REPLACE FUNCTION group_holes(
    p_sink text, p_input text, p_partition integer, p_group text, p_holes jsonb
) RETURNS jsonb
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('source', o.source, 'first_ordinal', lower(part),
        'last_ordinal', upper(part) - 1, 'reason', 'group_hole', 'detail', p_group)
        ORDER BY o.source, lower(part)), '[]')
    FROM jsonb_to_recordset(p_holes) AS h(source text, first_ordinal bigint, last_ordinal bigint)
    JOIN sink_source_ordinals o ON (o.sink, o.input, o.partition, o.source)
        = (p_sink, p_input, p_partition, h.source)
    LEFT JOIN apart_counts a ON (a.sink, a.input, a.partition, a.source)
        = (o.sink, o.input, o.partition, o.source)
    CROSS JOIN LATERAL (
        SELECT greatest(h.first_ordinal, o.first_ordinal) AS low,
            least(h.last_ordinal, o.last_ordinal) AS high
    ) AS own
    CROSS JOIN LATERAL unnest(
        int8multirange(CASE WHEN own.low <= own.high THEN int8range(own.low, own.high, '[]')
            ELSE 'empty' END)
        - coalesce((SELECT range_agg(int8range(b.first_ordinal, b.last_ordinal, '[]')) FROM book_gaps b
            WHERE (b.sink, b.input, b.partition, b.source) = (o.sink, o.input, o.partition, o.source)
                AND b.reason IN ('tape_lost', 'hole')), '{}')) AS part
    WHERE o.apart > coalesce(a.written + a.dead_lettered, 0)
$$;

-- Returns the ordinals that a group of tables has not read which waits apart, up to the end of the books.
CREATE OR REPLACE FUNCTION group_tails(p_sink text, p_input text, p_partition integer, p_group text)
RETURNS jsonb
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('source', o.source,
        'first_ordinal', coalesce(s.last_ordinal + 1, o.first_ordinal),
        'last_ordinal', o.last_ordinal)), '[]')
    FROM apart_groups g
    JOIN sink_source_ordinals o USING (sink, input, partition)
    LEFT JOIN LATERAL jsonb_to_recordset(g.sources) AS s(source text, last_ordinal bigint)
        ON s.source = o.source
    WHERE (g.sink, g.input, g.partition, g.table_group) = (p_sink, p_input, p_partition, p_group)
        AND coalesce(s.last_ordinal + 1, o.first_ordinal) <= o.last_ordinal
$$;

-- Whether a group of tables waits apart that has not read an ordinal of a source. It finds later whether
-- its rows are lost, and asks the books which ordinals are lost as a whole.
CREATE OR REPLACE FUNCTION apart_before(
    p_sink text, p_input text, p_partition integer, p_source text, p_ordinal bigint
) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT EXISTS (SELECT FROM apart_groups g
        WHERE (g.sink, g.input, g.partition) = (p_sink, p_input, p_partition)
            AND coalesce((SELECT max(s.last_ordinal)
                FROM jsonb_to_recordset(g.sources) AS s(source text, last_ordinal bigint)
                WHERE s.source = p_source), 0) < p_ordinal)
$$;

-- Takes back the groups of tables that have caught up, and leaves those that are blocked, with a
-- position of their own. Raises TL003 where records would be left to no group, and where a group has lost
-- some that no gap names. Returns what they have lost, as note_lost_versions takes it. Only
-- advance_positions calls it.
CREATE OR REPLACE FUNCTION move_groups(p_sink text, p_positions jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    wanted       record;
    left_to_none jsonb;
    notes        jsonb;
    lost         jsonb;
    losses       jsonb := '[]';
    -- By position, what is noted when the group of the table of gaps comes back, which is left now.
    later        jsonb := '[]';
BEGIN
    -- Where the last group comes back, what is left over is lost.
    SELECT jsonb_agg(jsonb_build_object('input', o.input, 'partition', o.partition,
        'source', o.source)) INTO lost
    FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, joined jsonb,
        joined_partly boolean)
    JOIN sink_source_ordinals o ON (o.sink, o.input, o.partition) = (p_sink, w.input, w.partition)
    LEFT JOIN apart_counts a ON (a.sink, a.input, a.partition, a.source)
        = (o.sink, o.input, o.partition, o.source)
    WHERE w.joined IS NOT NULL AND w.joined_partly IS NOT TRUE
        AND o.apart > coalesce(a.written + a.dead_lettered, 0)
        AND NOT EXISTS (SELECT FROM apart_groups g
            WHERE (g.sink, g.input, g.partition) = (o.sink, o.input, o.partition)
                AND NOT w.joined ? g.table_group);
    FOR wanted IN
        SELECT w.input, w.partition, j.key AS table_group, j.value::bigint AS sequence,
            coalesce(w.apart @> '[{"table_group": "rest"}]', false) AS leaves_rest
        FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, joined jsonb,
                apart jsonb),
            jsonb_each_text(w.joined) AS j
        ORDER BY 1, 2, 3
    LOOP
        -- What it has not read by now is not on the tape any more.
        SELECT g.gaps || t.holes, losses || CASE WHEN t.holes = '[]' THEN '[]' ELSE jsonb_build_array(
                jsonb_build_object('input', g.input, 'partition', g.partition, 'reason', 'hole',
                    'from_ns', least(g.tape_time_ns, g.sent_time_ns))) END
        INTO notes, losses
        FROM apart_groups g
        CROSS JOIN LATERAL group_holes(g.sink, g.input, g.partition, g.table_group,
            group_tails(g.sink, g.input, g.partition, g.table_group)) AS t(holes)
        WHERE (g.sink, g.input, g.partition, g.table_group) = (p_sink, wanted.input,
            wanted.partition, wanted.table_group);
        -- While the table of gaps may be blocked, they wait with its group, also where that is left now.
        UPDATE apart_groups g SET gaps = g.gaps || notes
        WHERE (g.sink, g.input, g.partition, g.table_group) = (p_sink, wanted.input,
            wanted.partition, 'rest') AND wanted.table_group <> 'rest' AND notes <> '[]';
        IF NOT FOUND AND wanted.leaves_rest THEN
            later := later || jsonb_build_array(jsonb_build_object('input', wanted.input,
                'partition', wanted.partition, 'notes', notes));
        ELSIF NOT FOUND THEN
            PERFORM note_gaps(p_sink, wanted.input, wanted.partition, notes);
        END IF;
        -- Its letters were noted as losses already.
        UPDATE sink_source_ordinals o SET dead_lettered = o.dead_lettered + s.dead_lettered
        FROM apart_groups g
        CROSS JOIN jsonb_to_recordset(g.sources) AS s(source text, dead_lettered bigint)
        WHERE (g.sink, g.input, g.partition, g.table_group) = (p_sink, wanted.input,
                wanted.partition, wanted.table_group)
            AND (o.sink, o.input, o.partition, o.source) = (g.sink, g.input, g.partition, s.source)
            AND s.dead_lettered > 0;
        DELETE FROM apart_groups g USING sink_positions p
        WHERE (g.sink, g.input, g.partition, g.table_group, g.sequence) = (p_sink, wanted.input,
                wanted.partition, wanted.table_group, wanted.sequence)
            AND (p.sink, p.input, p.partition, p.sequence) = (g.sink, g.input, g.partition, g.sequence)
            AND p.stream_created_ns IS NOT DISTINCT FROM g.stream_created_ns;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the tables of % at % of partition % are not at sequence %',
                wanted.table_group, wanted.input, wanted.partition, wanted.sequence
                USING ERRCODE = 'TL003';
        END IF;
    END LOOP;
    -- A group is left where the position is now, which advance_positions has locked.
    INSERT INTO apart_groups (sink, input, partition, table_group, owner_epoch, stream_created_ns,
        sequence, packet_epoch, packet_ordinal, packet_crc, tape_time_ns, sent_time_ns, sources, gaps,
        table_name, reason, since_ns, advanced_at)
    SELECT p.sink, p.input, p.partition, g.table_group, p.owner_epoch, p.stream_created_ns, p.sequence,
        p.packet_epoch, p.packet_ordinal, p.packet_crc, p.tape_time_ns, p.sent_time_ns, g.sources,
        coalesce((SELECT jsonb_agg(n) FROM jsonb_to_recordset(later) AS l(input text, partition integer,
                notes jsonb), jsonb_array_elements(l.notes) AS n
            WHERE g.table_group = 'rest' AND (l.input, l.partition) = (w.input, w.partition)), '[]'),
        g.table_name, g.reason, g.since_ns, clock_timestamp()
    FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, apart jsonb)
    JOIN sink_positions p ON (p.sink, p.input, p.partition) = (p_sink, w.input, w.partition)
    CROSS JOIN jsonb_to_recordset(w.apart) AS g(table_group text, sources jsonb, table_name text,
        reason text, since_ns bigint)
    WHERE w.apart IS NOT NULL;
    SELECT jsonb_agg(l.place) INTO left_to_none
    FROM jsonb_array_elements(lost) AS l(place)
    WHERE NOT EXISTS (SELECT FROM book_gaps b
        WHERE (b.sink, b.input, b.partition, b.source, b.reason) = (p_sink, l.place->>'input',
            (l.place->>'partition')::integer, l.place->>'source', 'group_hole'));
    IF left_to_none IS NOT NULL THEN
        RAISE EXCEPTION 'records of % sources were left to tables that have neither written nor lost them',
            jsonb_array_length(left_to_none) USING ERRCODE = 'TL003', DETAIL = left_to_none::text;
    END IF;
    SELECT jsonb_agg(DISTINCT jsonb_build_object('input', w.input, 'partition', w.partition,
        'source', s.source)) INTO left_to_none
    FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, sources jsonb),
        jsonb_to_recordset(w.sources) AS s(source text, apart bigint)
    WHERE s.apart > 0 AND NOT EXISTS (SELECT FROM apart_groups g
        WHERE (g.sink, g.input, g.partition) = (p_sink, w.input, w.partition));
    IF left_to_none IS NOT NULL THEN
        RAISE EXCEPTION 'records of % sources are left to tables that do not wait',
            jsonb_array_length(left_to_none) USING ERRCODE = 'TL003', DETAIL = left_to_none::text;
    END IF;
    -- Where the table of gaps may be the blocked one, they are noted later. A group's transaction locks in
    -- this order, too.
    FOR wanted IN
        SELECT * FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, gaps jsonb)
        WHERE w.gaps IS NOT NULL
        ORDER BY w.input, w.partition
    LOOP
        UPDATE apart_groups g SET gaps = g.gaps || wanted.gaps
        WHERE (g.sink, g.input, g.partition, g.table_group)
            = (p_sink, wanted.input, wanted.partition, 'rest');
    END LOOP;
    RETURN losses;
END
$$;

-- Advances a group of tables that waits apart, in the transaction that writes its rows.
--
-- p_positions: [{"input", "partition", "owner_epoch", "from_sequence", "stream_created_ns", "sequence",
--   "packet_epoch", "packet_ordinal", "packet_crc", "tape_time_ns", "sent_time_ns", "sources", "gaps",
--   "changes"}, ...], as advance_positions takes them. Gaps become holes of the group.
--
-- Raises TL001, and changes nothing, where the position has another owner's epoch, the group is not
-- where it was ("from_sequence"), would not go forward on the same stream or would pass the position. It locks no row of sink_positions, so that
-- nothing else waits for it.
CREATE OR REPLACE FUNCTION advance_group(p_sink text, p_group text, p_positions jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = 0
AS $$
DECLARE
    refused text;
    losses  jsonb;
    -- Where packets were missing, with the times before them.
    missed  jsonb;
    hole    record;
BEGIN
    WITH wanted AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer,
            owner_epoch bigint, from_sequence bigint, stream_created_ns bigint, sequence bigint,
            tape_time_ns bigint, sent_time_ns bigint, sources jsonb, gaps jsonb)
    ), present AS MATERIALIZED (
        SELECT g.* FROM apart_groups g
        WHERE (g.sink, g.table_group) = (p_sink, p_group) AND (g.input, g.partition) IN (
            SELECT w.input, w.partition FROM wanted w)
        ORDER BY g.input, g.partition
        FOR UPDATE
    ), letters AS (
        SELECT w.*, p.tape_time_ns AS from_tape, p.sent_time_ns AS from_sent, s.source, s.last_ordinal,
            coalesce(o.last_ordinal + 1, s.first_ordinal) AS first_ordinal,
            s.dead_lettered - coalesce(o.dead_lettered, 0) AS letters
        FROM wanted w JOIN present p USING (input, partition)
        CROSS JOIN jsonb_to_recordset(w.sources) AS s(source text, first_ordinal bigint,
            last_ordinal bigint, dead_lettered bigint)
        LEFT JOIN LATERAL jsonb_to_recordset(p.sources) AS o(source text, last_ordinal bigint,
            dead_lettered bigint) ON o.source = s.source
    )
    SELECT (
        SELECT string_agg(format('%s of partition %s', w.input, w.partition), ', ')
        FROM wanted w LEFT JOIN present p USING (input, partition)
        WHERE p.owner_epoch IS DISTINCT FROM w.owner_epoch
            OR p.sequence IS DISTINCT FROM w.from_sequence OR (w.sequence > p.sequence) IS NOT TRUE
            OR p.stream_created_ns <> w.stream_created_ns AND p.sequence > 0
            OR NOT EXISTS (SELECT FROM sink_positions c
                WHERE (c.sink, c.input, c.partition, c.stream_created_ns)
                        = (p_sink, w.input, w.partition, w.stream_created_ns)
                    AND c.sequence >= w.sequence)
    ), (
        SELECT jsonb_agg(jsonb_build_object('input', l.input, 'partition', l.partition,
            'from_ns', least(l.from_tape, l.from_sent),
            'to_ns', greatest(l.tape_time_ns, l.from_tape, l.sent_time_ns, l.from_sent),
            'reason', 'set_aside', 'source', l.source, 'first_ordinal', l.first_ordinal,
            'last_ordinal', l.last_ordinal, 'letters', l.letters))
        FROM letters l WHERE l.letters > 0), (
        SELECT jsonb_agg(jsonb_build_object('input', w.input, 'partition', w.partition, 'gaps', w.gaps,
            'from_tape_ns', p.tape_time_ns, 'from_sent_ns', p.sent_time_ns))
        FROM wanted w JOIN present p USING (input, partition) WHERE w.gaps IS NOT NULL)
    INTO refused, losses, missed;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION 'fenced: the tables of % have another position or owner at %', p_group, refused
            USING ERRCODE = 'TL001';
    END IF;
    UPDATE apart_groups g
    SET stream_created_ns = w.stream_created_ns, sequence = w.sequence, packet_epoch = w.packet_epoch,
        packet_ordinal = w.packet_ordinal, packet_crc = w.packet_crc,
        tape_time_ns = greatest(g.tape_time_ns, w.tape_time_ns),
        sent_time_ns = greatest(g.sent_time_ns, w.sent_time_ns), sources = w.sources,
        advanced_at = clock_timestamp()
    FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, stream_created_ns bigint,
        sequence bigint, packet_epoch bigint, packet_ordinal bigint, packet_crc bigint,
        tape_time_ns bigint, sent_time_ns bigint, sources jsonb)
    WHERE (g.sink, g.table_group, g.input, g.partition) = (p_sink, p_group, w.input, w.partition);
    FOR hole IN
        SELECT g.input, g.partition, h.notes, jsonb_build_object('input', g.input, 'partition', g.partition,
            'from_ns', least(w.from_tape_ns, w.from_sent_ns),
            'to_ns', greatest(g.tape_time_ns, g.sent_time_ns), 'reason', 'hole') AS loss
        FROM jsonb_to_recordset(missed) AS w(input text, partition integer, gaps jsonb,
            from_tape_ns bigint, from_sent_ns bigint)
        JOIN apart_groups g ON (g.sink, g.table_group, g.input, g.partition)
            = (p_sink, p_group, w.input, w.partition)
        CROSS JOIN LATERAL group_holes(p_sink, g.input, g.partition, p_group, w.gaps) AS h(notes)
        WHERE h.notes <> '[]'
    LOOP
        UPDATE apart_groups g SET gaps = g.gaps || hole.notes
        WHERE (g.sink, g.table_group, g.input, g.partition)
            = (p_sink, p_group, hole.input, hole.partition);
        losses := coalesce(losses, '[]') || hole.loss;
    END LOOP;
    IF losses IS NOT NULL THEN
        PERFORM note_lost_versions(losses);
    END IF;
    PERFORM note_changes_by_id(w.changes)
    FROM jsonb_to_recordset(p_positions) AS w(changes jsonb)
    WHERE w.changes IS NOT NULL;
END
$$;

-- Gives up the groups of tables that wait apart at a position, which the caller has locked: what was left
-- to them is lost, counts as skipped, and is named for each group. All are given up, because the books do
-- not say to which of them a record was left. p_seen: ["ticks", ...], those that a person has seen; TL004
-- if others wait by now. Only the functions for people call it.
CREATE OR REPLACE FUNCTION give_up_groups(
    p_sink text, p_input text, p_partition integer, p_seen jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    present text;
    seen    text;
    from_ns bigint;
    notes   jsonb;
BEGIN
    -- Their writers go on meanwhile.
    PERFORM FROM apart_groups g WHERE (g.sink, g.input, g.partition) = (p_sink, p_input, p_partition)
    ORDER BY g.table_group FOR UPDATE;
    SELECT string_agg(g.table_group, ', ' ORDER BY g.table_group),
        min(least(g.tape_time_ns, g.sent_time_ns)) INTO present, from_ns
    FROM apart_groups g WHERE (g.sink, g.input, g.partition) = (p_sink, p_input, p_partition);
    SELECT string_agg(s, ', ' ORDER BY s) INTO seen FROM jsonb_array_elements_text(p_seen) AS s;
    IF present IS DISTINCT FROM seen THEN
        RAISE EXCEPTION 'at % of partition % tables of % wait apart by now, not of %', p_input,
            p_partition, coalesce(present, 'no group'), coalesce(seen, 'no group')
            USING ERRCODE = 'TL004';
    END IF;
    IF present IS NULL THEN
        RETURN;
    END IF;
    SELECT jsonb_agg(n.note) INTO notes
    FROM apart_groups g
    CROSS JOIN LATERAL jsonb_array_elements(g.gaps || group_holes(g.sink, g.input, g.partition,
        g.table_group, group_tails(g.sink, g.input, g.partition, g.table_group))) AS n(note)
    WHERE (g.sink, g.input, g.partition) = (p_sink, p_input, p_partition);
    UPDATE sink_source_ordinals o
    SET written = o.written + coalesce(a.written, 0),
        dead_lettered = o.dead_lettered + coalesce(a.dead_lettered, 0),
        skipped = o.skipped + o.apart - coalesce(a.written + a.dead_lettered, 0), apart = 0
    FROM sink_source_ordinals s
    -- Of a source that began since they are there, they may have read nothing.
    LEFT JOIN apart_counts a USING (sink, input, partition, source)
    WHERE (o.sink, o.input, o.partition) = (p_sink, p_input, p_partition)
        AND (s.sink, s.input, s.partition, s.source) = (o.sink, o.input, o.partition, o.source);
    PERFORM note_gaps(p_sink, p_input, p_partition, notes);
    DELETE FROM apart_groups g WHERE (g.sink, g.input, g.partition) = (p_sink, p_input, p_partition);
    PERFORM note_lost_versions(jsonb_build_array(jsonb_build_object('input', p_input, 'partition',
        p_partition, 'from_ns', from_ns, 'reason', 'hole')));
END
$$;

-- Gives up the groups of tables that wait apart at a position, by a person's decision (`tapeline position
-- accept --apart`): their table will not be mended, or the tape behind the position cannot be read. The
-- position stays where it is. Its owner notices the higher epoch, and claims it again.
CREATE OR REPLACE FUNCTION give_up_apart(
    p_sink text, p_input text, p_partition integer, p_seen jsonb
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE sink_positions p SET owner_epoch = p.owner_epoch + 1
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition);
    PERFORM give_up_groups(p_sink, p_input, p_partition, p_seen);
END
$$;
