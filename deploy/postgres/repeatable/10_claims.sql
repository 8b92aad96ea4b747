-- How a writer becomes the owner of positions. Earlier owners are fenced by its higher epoch
-- (10_positions.sql).

-- Takes the database for a store: two of them would store each record twice. Of two that begin in an
-- empty one at the same moment, the one that asks first has it. Raises TL006 for the other one.
CREATE OR REPLACE FUNCTION take_database(p_sink text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    other text;
BEGIN
    IF NOT EXISTS (SELECT FROM sink_positions p WHERE p.sink = p_sink) THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(
            format('%s of tapeline', 'sink_positions'::regclass::oid), 0));
    END IF;
    SELECT min(p.sink) INTO other FROM sink_positions p WHERE p.sink <> p_sink;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'the database is that of %, and not of %', other, p_sink USING ERRCODE = 'TL006';
    END IF;
END
$$;

-- Notes which tables the owner of a known position writes; a new one begins with them. None may be
-- switched on there while groups of tables wait apart: of its records, those before now were skipped,
-- and its group would write them, too. Raises TL007 then.
CREATE OR REPLACE FUNCTION note_tables(
    p_sink text, p_input text, p_partition integer, p_tables text[]
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    added text;
BEGIN
    SELECT string_agg(t, ', ' ORDER BY t) INTO added
    FROM sink_positions p CROSS JOIN unnest(p_tables) AS t
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition) AND t <> ALL (p.tables)
        AND EXISTS (SELECT FROM apart_groups g
            WHERE (g.sink, g.input, g.partition) = (p.sink, p.input, p.partition));
    IF added IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TL007', MESSAGE = format('STORE_TABLES has %s more than before '
            || 'while tables wait apart at %s of partition %s: take that out until these have come back '
            || '(runbook TableBlocked)', added, p_input, p_partition);
    END IF;
    UPDATE sink_positions p SET tables = p_tables
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition) AND p.tables <> p_tables;
END
$$;

-- Claims (sink, input, partition): raises the owner epoch above all earlier ones, at least to the
-- requested epoch, and returns the current position. The previous owner is fenced from here on. The
-- function waits for a predecessor's transaction that is about to commit, so that it returns the
-- last position. p_tables are the tables that the owner writes; NULL: as before.
CREATE OR REPLACE FUNCTION claim_position(
    p_sink text, p_input text, p_partition integer, p_epoch bigint, p_owner text DEFAULT '',
    p_tables text[] DEFAULT NULL
) RETURNS TABLE (
    owner_epoch bigint, stream_created_ns bigint, sequence bigint, packet_epoch bigint,
    packet_ordinal bigint, packet_crc bigint, sources jsonb, tape_time_ns bigint, apart jsonb
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
    PERFORM take_database(p_sink);
    INSERT INTO sink_positions AS p (sink, input, partition, owner, owner_epoch, tables)
    VALUES (p_sink, p_input, p_partition, p_owner, greatest(p_epoch, 1), coalesce(p_tables, '{}'))
    -- The tables of a known position stay those of before: note_tables compares them.
    ON CONFLICT (sink, input, partition) DO UPDATE
    SET owner = excluded.owner,
        owner_epoch = greatest(p.owner_epoch + 1, excluded.owner_epoch),
        claimed_at = now();
    PERFORM note_tables(p_sink, p_input, p_partition, p_tables);
    -- Groups of tables that wait apart belong to the position's owner.
    UPDATE apart_groups g SET owner_epoch = p.owner_epoch
    FROM sink_positions p
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition)
        AND (g.sink, g.input, g.partition) = (p.sink, p.input, p.partition);

    RETURN QUERY
    SELECT p.owner_epoch, p.stream_created_ns, p.sequence, p.packet_epoch, p.packet_ordinal,
        p.packet_crc,
        coalesce(
            (SELECT jsonb_agg(jsonb_build_object(
                'source', s.source, 'first_ordinal', s.first_ordinal,
                'last_ordinal', s.last_ordinal, 'written', s.written,
                'dead_lettered', s.dead_lettered, 'skipped', s.skipped, 'epoch', s.epoch,
                'tape_ordinal', s.tape_ordinal, 'given_twice', s.given_twice,
                'apart', s.apart) ORDER BY s.source)
             FROM sink_source_ordinals s
             WHERE (s.sink, s.input, s.partition) = (p.sink, p.input, p.partition)),
            '[]'::jsonb), p.tape_time_ns,
        coalesce(
            (SELECT jsonb_agg(to_jsonb(g)) FROM apart_groups g
             WHERE (g.sink, g.input, g.partition) = (p.sink, p.input, p.partition)),
            '[]'::jsonb)
    FROM sink_positions p
    WHERE (p.sink, p.input, p.partition) = (p_sink, p_input, p_partition);
END
$$;

-- Claims several positions in one call, in the order of the key, so that two claimers cannot
-- deadlock. A take-over is then one round trip.
--
-- p_wanted: [{"input", "partition", "epoch", "known_epoch"}, ...]. With a known epoch it is a
-- repeated claim, after a lost session. It is refused (`is_claimed` is false, and nothing changes)
-- if another owner has claimed meanwhile. Without one it is a new owner's claim, which is never
-- refused. A row of an earlier owner with a lower epoch than the known one has lost the claim:
-- this server was promoted without it. The claim is made again, because the record in NATS has the
-- higher epoch.
CREATE OR REPLACE FUNCTION claim_positions(
    p_sink text, p_wanted jsonb, p_owner text, p_tables text[] DEFAULT NULL
) RETURNS TABLE (
    input text, partition integer, is_claimed boolean, owner text, owner_epoch bigint,
    stream_created_ns bigint, sequence bigint, packet_epoch bigint, packet_ordinal bigint,
    packet_crc bigint, sources jsonb, tape_time_ns bigint, apart jsonb
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    wanted  record;
    present sink_positions;
BEGIN
    FOR wanted IN
        SELECT w.input, w.partition, w.epoch, w.known_epoch
        FROM jsonb_to_recordset(p_wanted) AS w(
            input text, partition integer, epoch bigint, known_epoch bigint)
        ORDER BY w.input, w.partition
    LOOP
        IF wanted.known_epoch IS NOT NULL THEN
            SELECT * INTO present FROM sink_positions p
            WHERE (p.sink, p.input, p.partition) = (p_sink, wanted.input, wanted.partition)
            FOR UPDATE;
            IF FOUND AND present.owner_epoch >= wanted.known_epoch
                AND present.owner <> p_owner THEN
                RETURN QUERY SELECT wanted.input, wanted.partition, false, present.owner,
                    present.owner_epoch, NULL::bigint, 0::bigint, NULL::bigint, NULL::bigint,
                    NULL::bigint, '[]'::jsonb, NULL::bigint, '[]'::jsonb;
                CONTINUE;
            END IF;
        END IF;
        RETURN QUERY
        SELECT wanted.input, wanted.partition, true, p_owner, c.owner_epoch, c.stream_created_ns,
            c.sequence, c.packet_epoch, c.packet_ordinal, c.packet_crc, c.sources, c.tape_time_ns,
            c.apart
        FROM claim_position(
            p_sink, wanted.input, wanted.partition, wanted.epoch, p_owner, p_tables) c;
    END LOOP;
END
$$;
