-- Positions can be changed only by these functions. They run with the rights of the schema's owner,
-- so no role can get past the fence with its own UPDATE. `SET search_path FROM CURRENT` fixes the
-- namespace that the migrator has set, so that no role can substitute other tables.

-- Only functions may call this. An error names the table, which may be locked: its group can be left then.
CREATE OR REPLACE FUNCTION note_gaps(
    p_sink text, p_input text, p_partition integer, p_gaps jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1s'
AS $$
DECLARE
    gap  record;
    said text;
BEGIN
    FOR gap IN
        SELECT * FROM jsonb_to_recordset(coalesce(p_gaps, '[]')) AS g(
            source text, first_ordinal bigint, last_ordinal bigint, reason text, detail text)
        ORDER BY source, first_ordinal
    LOOP
        UPDATE gaps g SET last_ordinal = gap.last_ordinal
        WHERE g.id = (
            SELECT max(known.id) FROM gaps known
            WHERE (known.sink, known.input, known.partition, known.source, known.reason)
                = (p_sink, p_input, p_partition, gap.source, gap.reason)
                AND known.ordinal IS NULL)
            AND g.last_ordinal = gap.first_ordinal - 1
            AND g.detail = coalesce(gap.detail, '');
        IF NOT FOUND THEN
            INSERT INTO gaps (sink, input, partition, source, first_ordinal, last_ordinal, reason,
                detail)
            VALUES (p_sink, p_input, p_partition, gap.source, gap.first_ordinal,
                gap.last_ordinal, gap.reason, coalesce(gap.detail, ''));
        END IF;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
    RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = said, TABLE = 'gaps';
END
$$;

-- Returns a time of the tape in microseconds, rounded down, or up where nothing may seem to be known too
-- early.
CREATE OR REPLACE FUNCTION tape_time(p_time_ns bigint, p_is_up boolean DEFAULT false)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE
AS $$
    SELECT timestamptz 'epoch'
        + (p_time_ns / 1000 + (p_is_up AND p_time_ns % 1000 > 0)::integer) * interval '1 us'
$$;

-- Notes cancels and corrections of trades by id: [{"source", "partition", "epoch", "ordinal",
-- "stream_created_ns", "sequence", "received_ns", "symbol", "of_source", "provider_id", "action", "price",
-- "size", "exchange", "conditions"}, ...]. The transaction that stores their rows calls it.
CREATE OR REPLACE FUNCTION note_changes_by_id(p_changes jsonb) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    INSERT INTO changes_by_id (symbol, provider_id, action, price, size, exchange, conditions, source,
        of_source, partition, epoch, ordinal, stream_created_ns, sequence, receive_time)
    SELECT symbol, provider_id, action, price, size, exchange, conditions, source, of_source, partition,
        epoch, ordinal, stream_created_ns, sequence, tape_time(received_ns)
    FROM jsonb_to_recordset(p_changes) AS w(symbol text, provider_id numeric, action smallint,
        price numeric, size numeric, exchange text, conditions text, source text, of_source text,
        partition integer, epoch bigint, ordinal bigint, stream_created_ns bigint, sequence bigint,
        received_ns bigint)
    ON CONFLICT DO NOTHING
$$;

-- Notes from when to when the tape took bars or ticks that are not stored: [{"input", "partition",
-- "from_ns", "to_ns", "reason"}, ...], and of dead letters "source", "first_ordinal", "last_ordinal" and
-- "letters". A stretch that begins where the last one of its kind ended extends that one. Only the
-- functions below may call this.
CREATE OR REPLACE FUNCTION note_lost_versions(p_losses jsonb) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    loss record;
BEGIN
    FOR loss IN
        SELECT input, partition, reason, coalesce(tape_time(from_ns), '-infinity') AS from_at,
            coalesce(tape_time(to_ns, true), clock_timestamp()) AS to_at, source, first_ordinal,
            last_ordinal, letters
        FROM jsonb_to_recordset(p_losses) AS w(
            input text, partition integer, from_ns bigint, to_ns bigint, reason text, source text,
            first_ordinal bigint, last_ordinal bigint, letters bigint)
        -- All writers lock in this order.
        ORDER BY input, partition, reason, source, first_ordinal, from_ns
    LOOP
        UPDATE version_losses l
        SET to_at = greatest(l.to_at, loss.to_at), last_ordinal = loss.last_ordinal,
            letters = l.letters + loss.letters
        WHERE l.id = (SELECT max(known.id) FROM version_losses known
                WHERE (known.input, known.partition, known.reason)
                    = (loss.input, loss.partition, loss.reason)
                    AND known.source IS NOT DISTINCT FROM loss.source)
            AND l.to_at >= loss.from_at;
        IF NOT FOUND THEN
            INSERT INTO version_losses (input, partition, from_at, to_at, reason, source, first_ordinal,
                last_ordinal, letters)
            VALUES (loss.input, loss.partition, loss.from_at, greatest(loss.from_at, loss.to_at),
                loss.reason, loss.source, loss.first_ordinal, loss.last_ordinal, loss.letters);
        END IF;
    END LOOP;
END
$$;

-- Advances all positions of a transaction. It is the last statement before COMMIT and is sent in
-- one message with it. So the rows are locked only during the commit, and a writer that is paused
-- while it writes blocks no successor.
--
-- p_positions: [{"input", "partition", "owner_epoch", "stream_created_ns", "sequence",
--   "packet_epoch", "packet_ordinal", "packet_crc", "tape_time_ns", "sent_time_ns", "left_out",
--   "sources": [{"source", "first_ordinal",
--   "last_ordinal", "written", "dead_lettered", "skipped", "epoch", "tape_ordinal", "begun_ns",
--   "given_twice", "apart"}, ...], "apart": [groups of tables that are left here, as rows of
--   apart_groups, ...], "joined": {table group: its sequence, ...}, "joined_partly", "stretches": [{"source", "first_ordinal", "last_ordinal", "from_us",
--   "starts", "delays_us", "apart_ms"}, ...], "gaps": [{"source", "first_ordinal", "last_ordinal", "reason",
--   "detail"}, ...], "changes": as note_changes_by_id takes them, "groups": {source: group, ...}},
--   ...].
-- Counts are totals and not differences: the owner knows them from its claim. Gaps are those found
-- since the last advance. A gap that begins where the last one of its kind ended extends that one.
-- `begun_ns` of a new source is the latest time of its first packet. Where that is not the first one of a
-- source of ticks, or of the operator's output, the tape was purged before this database had it: what it
-- took up to then is lost.
-- `left_out` says that records since the last advance are no rows, beside dead letters, which the counts
-- say. The two times never fall.
-- A stretch that is stored already is given with its changed points only: they take the place of
-- those from the first one of them on.
-- `groups` are those of all members in the partition, given when they may differ from the stored ones.
--
-- Raises TL001 if a higher epoch owns one of the positions. The detail is a JSON list of all such
-- positions, so that the writer can drop them immediately and write the rest. Raises TL002 for a
-- position that was not claimed at this epoch, and TL003 for one that would go backwards on the
-- same stream, for a group that is not where it was said to be, and for records that are left to no
-- group. On an error nothing is changed.
--
-- The limit on waits for locks is meant for the tables, not for the positions.
CREATE OR REPLACE FUNCTION advance_positions(p_sink text, p_positions jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = 0
AS $$
DECLARE
    fenced    jsonb;
    unclaimed jsonb;
    backwards jsonb;
    losses    jsonb;
    wanted    record;
BEGIN
    -- All positions are advanced by one statement each for locks, positions and sources: every
    -- transaction of the writer runs this function. The rows are locked in the order of the key, so
    -- that two writers that share partitions for a moment cannot deadlock.
    WITH wanted AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(p_positions) AS w(
            input text, partition integer, owner_epoch bigint, stream_created_ns bigint,
            sequence bigint, tape_time_ns bigint, sent_time_ns bigint, left_out boolean, gaps jsonb)
    ), present AS MATERIALIZED (
        SELECT p.input, p.partition, p.owner, p.owner_epoch, p.stream_created_ns, p.sequence,
            p.tape_time_ns, p.sent_time_ns
        FROM sink_positions p
        WHERE p.sink = p_sink AND (p.input, p.partition) IN (
            SELECT w.input, w.partition FROM wanted w)
        ORDER BY p.input, p.partition
        FOR UPDATE
    ), checked AS (
        SELECT w.input, w.partition,
            jsonb_build_object('input', w.input, 'partition', w.partition,
                'owner_epoch', p.owner_epoch, 'owner', p.owner) AS place,
            CASE
                WHEN p.owner_epoch > w.owner_epoch THEN 'fenced'
                WHEN p.owner_epoch IS DISTINCT FROM w.owner_epoch THEN 'unclaimed'
                WHEN w.sequence < p.sequence
                    AND w.stream_created_ns IS NOT DISTINCT FROM p.stream_created_ns
                    THEN 'backwards'
            END AS fault,
            CASE WHEN w.left_out OR w.gaps IS NOT NULL THEN (
                -- One for each reason: that of a hole goes when the hole is filled.
                SELECT jsonb_agg(jsonb_build_object('input', w.input, 'partition', w.partition,
                    'from_ns', least(p.tape_time_ns, p.sent_time_ns),
                    'to_ns', greatest(w.tape_time_ns, p.tape_time_ns, w.sent_time_ns,
                        p.sent_time_ns),
                    'reason', r.reason) ORDER BY r.reason)
                FROM (SELECT DISTINCT reason
                    FROM jsonb_to_recordset(coalesce(w.gaps, '[]')) AS g(reason text)
                    UNION SELECT 'not_written' WHERE w.left_out AND NOT EXISTS (
                        SELECT FROM jsonb_to_recordset(coalesce(w.gaps, '[]')) AS g(reason text)
                        WHERE g.reason IN ('dropped', 'given_twice'))) AS r) END AS lost
        FROM wanted w LEFT JOIN present p USING (input, partition)
    )
    SELECT
        jsonb_agg(c.place ORDER BY c.input, c.partition) FILTER (WHERE c.fault = 'fenced'),
        jsonb_agg(c.place ORDER BY c.input, c.partition) FILTER (WHERE c.fault = 'unclaimed'),
        jsonb_agg(c.place ORDER BY c.input, c.partition) FILTER (WHERE c.fault = 'backwards'),
        (SELECT jsonb_agg(loss ORDER BY c.input, c.partition)
            FROM checked c, jsonb_array_elements(c.lost) AS loss)
    INTO fenced, unclaimed, backwards, losses
    FROM checked c;

    IF fenced IS NOT NULL THEN
        RAISE EXCEPTION 'fenced: another owner has taken over % of the positions of sink %',
            jsonb_array_length(fenced), p_sink USING ERRCODE = 'TL001', DETAIL = fenced::text;
    END IF;
    IF unclaimed IS NOT NULL THEN
        RAISE EXCEPTION '% of the positions of sink % were not claimed at this epoch',
            jsonb_array_length(unclaimed), p_sink USING ERRCODE = 'TL002', DETAIL = unclaimed::text;
    END IF;
    IF backwards IS NOT NULL THEN
        RAISE EXCEPTION '% of the positions of sink % would go backwards',
            jsonb_array_length(backwards), p_sink USING ERRCODE = 'TL003', DETAIL = backwards::text;
    END IF;

    IF jsonb_path_exists(p_positions, '$[*] ? (exists(@.apart) || exists(@.joined) || exists(@.gaps)
            || @.sources[*].apart > 0)') THEN
        losses := coalesce(losses, '[]') || move_groups(p_sink, p_positions);
    END IF;

    SELECT coalesce(losses, '[]') || coalesce(b.purged, '[]') || coalesce(b.letters, '[]')
    INTO losses
    FROM (
        SELECT jsonb_agg(jsonb_build_object('input', w.input, 'partition', w.partition,
                'to_ns', s.begun_ns, 'reason', 'purged'))
                FILTER (WHERE (w.input = 'ticks' OR s.source = 'operator') AND s.first_ordinal > 1
                    AND o.source IS NULL) AS purged,
            jsonb_agg(jsonb_build_object('input', w.input, 'partition', w.partition,
                'from_ns', least(p.tape_time_ns, p.sent_time_ns),
                'to_ns', greatest(w.tape_time_ns, p.tape_time_ns, w.sent_time_ns, p.sent_time_ns),
                'reason', 'set_aside', 'source', s.source,
                'first_ordinal', coalesce(o.last_ordinal + 1, s.first_ordinal),
                'last_ordinal', s.last_ordinal,
                'letters', s.dead_lettered - coalesce(o.dead_lettered, 0)))
                FILTER (WHERE s.dead_lettered > coalesce(o.dead_lettered, 0)) AS letters
        FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, tape_time_ns bigint,
                sent_time_ns bigint, sources jsonb)
            JOIN sink_positions p ON (p.sink, p.input, p.partition) = (p_sink, w.input, w.partition)
            CROSS JOIN jsonb_to_recordset(coalesce(w.sources, '[]')) AS s(source text,
                first_ordinal bigint, last_ordinal bigint, begun_ns bigint, dead_lettered bigint)
            LEFT JOIN sink_source_ordinals o ON (o.sink, o.input, o.partition, o.source)
                = (p_sink, w.input, w.partition, s.source)
    ) AS b;
    UPDATE sink_positions p
    SET stream_created_ns = w.stream_created_ns, sequence = w.sequence,
        packet_epoch = w.packet_epoch, packet_ordinal = w.packet_ordinal,
        packet_crc = w.packet_crc, advanced_at = clock_timestamp(),
        tape_time_ns = greatest(p.tape_time_ns, w.tape_time_ns),
        sent_time_ns = greatest(p.sent_time_ns, w.sent_time_ns)
    FROM jsonb_to_recordset(p_positions) AS w(
        input text, partition integer, stream_created_ns bigint, sequence bigint,
        packet_epoch bigint, packet_ordinal bigint, packet_crc bigint, tape_time_ns bigint,
        sent_time_ns bigint)
    WHERE (p.sink, p.input, p.partition) = (p_sink, w.input, w.partition);

    INSERT INTO sink_source_ordinals AS o (sink, input, partition, source, first_ordinal,
        last_ordinal, written, dead_lettered, skipped, epoch, tape_ordinal, given_twice, apart)
    SELECT p_sink, w.input, w.partition, s.source, s.first_ordinal,
        s.last_ordinal, coalesce(s.written, 0), coalesce(s.dead_lettered, 0),
        coalesce(s.skipped, 0), coalesce(s.epoch, 0), s.tape_ordinal,
        coalesce(s.given_twice, 0), coalesce(s.apart, 0)
    FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, sources jsonb),
        jsonb_to_recordset(coalesce(w.sources, '[]')) AS s(
            source text, first_ordinal bigint, last_ordinal bigint, written bigint,
            dead_lettered bigint, skipped bigint, epoch bigint, tape_ordinal bigint,
            given_twice bigint, apart bigint)
    ON CONFLICT (sink, input, partition, source) DO UPDATE
    SET first_ordinal = excluded.first_ordinal, last_ordinal = excluded.last_ordinal,
        written = excluded.written, dead_lettered = excluded.dead_lettered,
        skipped = excluded.skipped, epoch = excluded.epoch,
        tape_ordinal = excluded.tape_ordinal, given_twice = excluded.given_twice,
        apart = excluded.apart;
    -- A replay locks in this order, too.
    IF losses <> '[]' THEN
        PERFORM note_lost_versions(losses);
    END IF;

    INSERT INTO stored_stretches AS k (input, partition, source, first_ordinal, last_ordinal,
        taken_from, starts, delays_us, apart_ms)
    SELECT w.input, w.partition, s.source, s.first_ordinal, s.last_ordinal,
        timestamptz 'epoch' + s.from_us * interval '1 us', s.starts, s.delays_us,
        s.apart_ms
    FROM jsonb_to_recordset(p_positions) AS w(input text, partition integer, stretches jsonb),
        jsonb_to_recordset(w.stretches) AS s(source text, first_ordinal bigint,
            last_ordinal bigint, from_us bigint, starts integer[], delays_us integer[],
            apart_ms integer[])
    ON CONFLICT (input, partition, source, first_ordinal) DO UPDATE
    SET last_ordinal = excluded.last_ordinal,
        starts = k.starts[:width_bucket(excluded.starts[1] - 1, k.starts)] || excluded.starts,
        delays_us = k.delays_us[:width_bucket(excluded.starts[1] - 1, k.starts)]
            || excluded.delays_us,
        apart_ms = k.apart_ms[:width_bucket(excluded.starts[1] - 1, k.starts)]
            || excluded.apart_ms;
    PERFORM note_changes_by_id(w.changes)
    FROM jsonb_to_recordset(p_positions) AS w(changes jsonb)
    WHERE w.changes IS NOT NULL;
    -- All members of a partition's groups, wherever they differ from those that were last seen.
    DELETE FROM source_groups s
    USING jsonb_to_recordset(p_positions) AS w(partition integer, groups jsonb)
    WHERE s.partition = w.partition AND w.groups IS NOT NULL AND NOT w.groups ? s.source;
    INSERT INTO source_groups AS s (partition, source, group_name)
    SELECT w.partition, g.key, g.value
    FROM jsonb_to_recordset(p_positions) AS w(partition integer, groups jsonb),
        jsonb_each_text(coalesce(w.groups, '{}')) AS g
    ON CONFLICT (partition, source) DO UPDATE SET group_name = excluded.group_name
    WHERE s.group_name <> excluded.group_name;

    FOR wanted IN
        SELECT * FROM jsonb_to_recordset(p_positions) AS w(
            input text, partition integer, gaps jsonb)
        WHERE w.gaps IS NOT NULL
        ORDER BY w.input, w.partition
    LOOP
        IF NOT EXISTS (SELECT FROM apart_groups g
            WHERE (g.sink, g.input, g.partition, g.table_group)
                = (p_sink, wanted.input, wanted.partition, 'rest')) THEN
            PERFORM note_gaps(p_sink, wanted.input, wanted.partition, wanted.gaps);
        END IF;
    END LOOP;
END
$$;

-- Sets a position to where a person decides, after tape data were destroyed: `tapeline position
-- accept`. The runtime role may call it, because the tool connects like the services. It cannot
-- make the books untrue: what is given up becomes a row of `gaps`, and nothing that was stored is
-- forgotten.
--
-- p_seen: {"stream_created_ns", "sequence", "packet_crc", "sources": [{"source", "last_ordinal"},
--   ...]}, the position that the person has seen. TL004 if the stored one differs by now.
-- p_accepted: {"stream_created_ns", "sequence", "packet_epoch", "packet_ordinal", "packet_crc",
--   "sources": [{"source", "last_ordinal", "epoch", "tape_ordinal"}, ...]}; sequence 0 is the start
--   of the tape. With "is_restored", the tape was made again after a restore, and what it took after
--   the position is lost. TL005 if the ordinals between a source's last one and the new one are not exactly
--   one gap of p_gaps.
-- p_apart: ["ticks", ...], the groups of tables that wait apart there, and are given up with the position.
--   TL004 if others wait by now.
--
-- The owner stays, but its epoch rises: the ticks it holds belong to the old tape and can no longer
-- be written. It notices that it is still the owner, and claims the position again.
CREATE OR REPLACE FUNCTION accept_position(
    p_sink text, p_input text, p_partition integer, p_seen jsonb, p_accepted jsonb, p_gaps jsonb,
    p_apart jsonb DEFAULT '[]'
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    present  sink_positions;
    wanted   record;
    known    bigint;
    place    bigint := (p_accepted->>'sequence')::bigint;
BEGIN
    SELECT * INTO present FROM sink_positions p
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition)
    FOR UPDATE;
    IF NOT FOUND
        OR present.sequence IS DISTINCT FROM (p_seen->>'sequence')::bigint
        OR present.stream_created_ns IS DISTINCT FROM (p_seen->>'stream_created_ns')::bigint
        OR present.packet_crc IS DISTINCT FROM (p_seen->>'packet_crc')::bigint
        OR (SELECT coalesce(jsonb_object_agg(s.source, s.last_ordinal), '{}')
            FROM sink_source_ordinals s
            WHERE (s.sink, s.input, s.partition) = (p_sink, p_input, p_partition))
        IS DISTINCT FROM (SELECT coalesce(jsonb_object_agg(s.source, s.last_ordinal), '{}')
            FROM jsonb_to_recordset(p_seen->'sources') AS s(source text, last_ordinal bigint))
    THEN
        RAISE EXCEPTION 'the position of % % in partition % has moved meanwhile',
            p_sink, p_input, p_partition USING ERRCODE = 'TL004';
    END IF;
    PERFORM give_up_groups(p_sink, p_input, p_partition, p_apart);
    FOR wanted IN
        SELECT * FROM jsonb_to_recordset(p_accepted->'sources') AS s(
            source text, last_ordinal bigint, epoch bigint, tape_ordinal bigint)
    LOOP
        SELECT s.last_ordinal INTO known FROM sink_source_ordinals s
        WHERE (s.sink, s.input, s.partition, s.source)
            = (p_sink, p_input, p_partition, wanted.source);
        IF known IS NULL OR wanted.last_ordinal < known
            OR (wanted.last_ordinal > known AND NOT EXISTS (
                SELECT FROM jsonb_to_recordset(p_gaps) AS g(
                    source text, first_ordinal bigint, last_ordinal bigint)
                WHERE (g.source, g.first_ordinal, g.last_ordinal)
                    = (wanted.source, known + 1, wanted.last_ordinal)))
        THEN
            RAISE EXCEPTION 'source % cannot go from ordinal % to % without a gap that says so',
                wanted.source, known, wanted.last_ordinal USING ERRCODE = 'TL005';
        END IF;
        UPDATE sink_source_ordinals s
        SET last_ordinal = wanted.last_ordinal, epoch = coalesce(wanted.epoch, 0),
            tape_ordinal = wanted.tape_ordinal
        WHERE (s.sink, s.input, s.partition, s.source)
            = (p_sink, p_input, p_partition, wanted.source);
    END LOOP;
    PERFORM note_gaps(p_sink, p_input, p_partition, p_gaps);
    -- What was lost was on the tape before now.
    IF jsonb_array_length(coalesce(p_gaps, '[]')) > 0
        OR coalesce((p_accepted->>'is_restored')::boolean, false) THEN
        PERFORM note_lost_versions(jsonb_build_array(jsonb_build_object('input', p_input, 'partition',
            p_partition, 'from_ns', least(present.tape_time_ns, present.sent_time_ns),
            'reason', 'tape_lost')));
    END IF;
    UPDATE sink_positions p
    SET owner_epoch = p.owner_epoch + 1, sequence = place,
        stream_created_ns = (p_accepted->>'stream_created_ns')::bigint,
        packet_epoch = (p_accepted->>'packet_epoch')::bigint,
        packet_ordinal = (p_accepted->>'packet_ordinal')::bigint,
        packet_crc = (p_accepted->>'packet_crc')::bigint
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition);
    RETURN present.owner_epoch + 1;
END
$$;
