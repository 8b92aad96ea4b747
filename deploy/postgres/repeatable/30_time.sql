-- The time-partitioned tables in their three shapes (native partitions, hypertables of either
-- edition of TimescaleDB), and the changes to them that a writer may request although it does not
-- own them. All partitions are days of UTC.

-- Returns the time-partitioned tables and their shape: 'native', 'hypertable', or 'whole' (not
-- partitioned).
CREATE OR REPLACE FUNCTION time_tables() RETURNS TABLE (table_name text, shape text)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    hypertables text[] := '{}';
BEGIN
    IF to_regclass('timescaledb_information.hypertables') IS NOT NULL THEN
        EXECUTE 'SELECT coalesce(array_agg(h.hypertable_name::text), ''{}'')
            FROM timescaledb_information.hypertables h
            WHERE h.hypertable_schema = current_schema()' INTO hypertables;
    END IF;
    RETURN QUERY
    SELECT c.relname::text, CASE WHEN c.relkind = 'p' THEN 'native'
        WHEN c.relname::text = ANY (hypertables) THEN 'hypertable' ELSE 'whole' END
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
        AND c.relname = ANY (ARRAY['trades', 'quotes', 'bars', 'depth', 'options', 'news',
            'fundamentals', 'indicators', 'provider_bars', 'events', 'late_ticks']);
END
$$;

-- Returns the schema of TimescaleDB's functions; NULL without the extension.
CREATE OR REPLACE FUNCTION timescale_schema() RETURNS name
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb'
$$;

-- Returns which of the three databases this is: 'plain', 'timescaledb-apache' or
-- 'timescaledb-community'. The tables decide: an extension that was installed after them changes
-- nothing.
CREATE OR REPLACE FUNCTION store_mode()
RETURNS TABLE (mode text, server_version text, timescaledb_version text, license text)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT CASE
            WHEN NOT EXISTS (SELECT FROM time_tables() t WHERE t.shape = 'hypertable') THEN 'plain'
            WHEN current_setting('timescaledb.license', true) = 'timescale'
                THEN 'timescaledb-community'
            ELSE 'timescaledb-apache' END,
        current_setting('server_version'),
        (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
        CASE WHEN timescale_schema() IS NOT NULL
            THEN current_setting('timescaledb.license', true) END
$$;

-- Returns the partitions of a native table with their bounds, oldest first.
CREATE OR REPLACE FUNCTION time_partitions(p_table text)
RETURNS TABLE (name text, from_ts timestamptz, to_ts timestamptz)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT c.relname::text, (borders[1])::timestamptz, (borders[2])::timestamptz
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
        'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS borders
    WHERE i.inhparent = to_regclass(format('%I.%I', current_schema(), p_table))
    ORDER BY 2
$$;

-- Returns whether p_ts may have a partition: from 1990 to two years from now, and the first day of
-- 1970, which holds ticks without a time.
CREATE OR REPLACE FUNCTION may_have_partition(p_ts timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce((p_ts >= '1970-01-01 00:00+00' AND p_ts < '1970-01-02 00:00+00')
        OR (p_ts >= '1990-01-01 00:00+00' AND p_ts < now() + interval '2 years'), false)
$$;

-- Returns the chunks of a hypertable with their bounds. Empty for any other table.
CREATE OR REPLACE FUNCTION time_chunks(p_table text)
RETURNS TABLE (relation regclass, from_ts timestamptz, to_ts timestamptz)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
BEGIN
    IF to_regclass('timescaledb_information.chunks') IS NOT NULL THEN
        RETURN QUERY EXECUTE
            'SELECT format(''%I.%I'', chunk_schema, chunk_name)::regclass, range_start, range_end
            FROM timescaledb_information.chunks
            WHERE hypertable_schema = current_schema() AND hypertable_name = $1' USING p_table;
    END IF;
END
$$;

-- Returns the bytes on disk of each time-partitioned table, with its indexes. `other` is the rest
-- of the database. If a table is being altered, the function waits for it, but not for long.
CREATE OR REPLACE FUNCTION store_sizes() RETURNS TABLE (table_name text, bytes bigint)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT SET lock_timeout = '2s'
AS $$
DECLARE
    place regclass;
    shape text;
    total bigint := 0;
BEGIN
    FOR table_name, shape IN SELECT t.table_name, t.shape FROM time_tables() t ORDER BY 1 LOOP
        place := to_regclass(format('%I.%I', current_schema(), table_name));
        IF shape = 'hypertable' THEN
            EXECUTE format('SELECT %I.hypertable_size($1)', timescale_schema()) INTO bytes
                USING place;
        ELSIF shape = 'native' THEN
            SELECT sum(pg_total_relation_size(p.relid)) INTO bytes
            FROM pg_partition_tree(place) p;
        ELSE
            bytes := pg_total_relation_size(place);
        END IF;
        bytes := coalesce(bytes, 0);
        total := total + bytes;
        RETURN NEXT;
    END LOOP;
    table_name := 'other';
    bytes := greatest(pg_database_size(current_database()) - total, 0);
    RETURN NEXT;
END
$$;

-- Returns the given days (of UTC, counted from 1970-01-01) that a table may have and has no
-- partition or chunk for, oldest first.
CREATE OR REPLACE FUNCTION missing_partitions(p_table text, p_days bigint[])
RETURNS SETOF timestamptz
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    shape_found text;
BEGIN
    SELECT t.shape INTO shape_found FROM time_tables() t WHERE t.table_name = p_table;
    IF coalesce(shape_found, 'whole') = 'whole' THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH present AS MATERIALIZED (
        SELECT p.from_ts, p.to_ts FROM time_partitions(p_table) p WHERE shape_found = 'native'
        UNION ALL
        SELECT c.from_ts, c.to_ts FROM time_chunks(p_table) c WHERE shape_found = 'hypertable'),
    wanted AS MATERIALIZED (
        SELECT DISTINCT '1970-01-01 00:00+00'::timestamptz + n * interval '24 hours' AS day
        FROM unnest(p_days) AS n)
    SELECT w.day FROM wanted w
    WHERE may_have_partition(w.day)
        AND NOT EXISTS (SELECT FROM present p WHERE p.from_ts <= w.day AND p.to_ts > w.day)
    ORDER BY w.day;
END
$$;

-- Makes the chunk of a hypertable for p_ts, in the one way that both editions of TimescaleDB have:
-- it inserts a row and removes it again, in one transaction. If that row is refused, nothing is
-- made, and the first real row makes the chunk.
CREATE OR REPLACE FUNCTION make_chunk(p_table text, p_ts timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    columns text;
    fillers text;
    chunk   regclass;
    place   tid;
BEGIN
    IF EXISTS (SELECT FROM time_chunks(p_table) c WHERE c.from_ts <= p_ts AND c.to_ts > p_ts) THEN
        RETURN;
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', '), string_agg(
        CASE t.typcategory WHEN 'D' THEN quote_literal(p_ts) WHEN 'N' THEN '0'
            WHEN 'B' THEN 'false' ELSE quote_literal('') END, ', ')
    INTO columns, fillers
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = p_table::regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '';
    EXECUTE format('INSERT INTO %I (%s) VALUES (%s) RETURNING tableoid::regclass, ctid', p_table,
        columns, fillers) INTO chunk, place;
    EXECUTE format('DELETE FROM %s WHERE ctid = %L', chunk, place);
EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
    NULL;
END
$$;

-- Makes the partition for the day of p_ts if it is missing. Any number of writers may call it at
-- the same time while others write: they take turns under a separate lock, and the table is locked
-- only in a mode that blocks no reader and no writer. Call it in a separate transaction, so that
-- others wait only as long as it takes.
--
-- Raises TL010 for a time that gets no partition: beyond two years from now, or before 1990, except
-- the first day of 1970, which holds ticks without a time. Raises TL011 for a table that is not
-- ours, and TL012 if a table has too many partitions. A hypertable also makes its chunks by itself,
-- with the first row. But then the chunks and their locks belong to the transaction of the rows.
CREATE OR REPLACE FUNCTION make_time_partition(p_table text, p_ts timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    partitions_max CONSTANT integer := 20000;
    shape_found    text;
    from_day       timestamptz;
    day_name       text;
BEGIN
    SELECT t.shape INTO shape_found FROM time_tables() t WHERE t.table_name = p_table;
    IF shape_found IS NULL THEN
        RAISE EXCEPTION '% is no table that is cut by time', coalesce(p_table, 'NULL')
            USING ERRCODE = 'TL011';
    END IF;
    IF NOT may_have_partition(p_ts) THEN
        RAISE EXCEPTION 'no partition of % is made for the time %', p_table, p_ts
            USING ERRCODE = 'TL010',
                HINT = 'From 1990 to two years from now; without a time: the first day of 1970.';
    END IF;
    IF shape_found = 'hypertable' THEN
        PERFORM make_chunk(p_table, p_ts);
    END IF;
    IF shape_found <> 'native' THEN
        RETURN;
    END IF;
    from_day := date_trunc('day', p_ts, 'UTC');
    day_name := p_table || '_p' || to_char(from_day AT TIME ZONE 'UTC', 'YYYYMMDD');
    PERFORM pg_advisory_xact_lock(hashtextextended(
        format('tapeline.partitions.%s.%s', current_schema(), p_table), 0));
    IF EXISTS (SELECT FROM time_partitions(p_table) p
        WHERE p.from_ts <= from_day AND p.to_ts > from_day) THEN
        RETURN;
    END IF;
    IF (SELECT count(*) FROM time_partitions(p_table)) >= partitions_max THEN
        RAISE EXCEPTION '% has % partitions already', p_table, partitions_max
            USING ERRCODE = 'TL012', HINT = 'Set a retention for it.';
    END IF;
    IF to_regclass(format('%I.%I', current_schema(), day_name)) IS NOT NULL THEN
        RAISE EXCEPTION '% stands beside % and is no partition of it', day_name, p_table
            USING ERRCODE = '42P07', HINT = 'Attach it, or rename it.';
    END IF;
    -- CREATE TABLE ... PARTITION OF would lock the table exclusively; attaching does not.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', day_name, p_table);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table,
        day_name, from_day, from_day + interval '24 hours');
END
$$;

-- Makes the days from yesterday to p_days from today of all native tables. Returns how many of them
-- were missing.
CREATE OR REPLACE FUNCTION make_coming_partitions(p_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    today CONSTANT timestamptz := date_trunc('day', now(), 'UTC');
    wanted         record;
    made           integer := 0;
BEGIN
    IF p_days IS NULL OR p_days NOT BETWEEN 0 AND 366 THEN
        RAISE EXCEPTION 'partitions are made for 0 to 366 days, not %', p_days
            USING ERRCODE = '22023';
    END IF;
    -- One caller at a time: a caller that waited here finds the days that exist.
    PERFORM pg_advisory_xact_lock(hashtextextended(
        format('tapeline.partitions.%s', current_schema()), 0));
    FOR wanted IN
        SELECT t.table_name, today + n * interval '24 hours' AS day
        FROM time_tables() t CROSS JOIN generate_series(-1, p_days) n
        WHERE t.shape = 'native' AND NOT EXISTS (
            SELECT FROM time_partitions(t.table_name) p
            WHERE p.from_ts <= today + n * interval '24 hours'
                AND p.to_ts > today + n * interval '24 hours')
        ORDER BY 1, 2
    LOOP
        PERFORM make_time_partition(wanted.table_name, wanted.day);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Records in retired_rows what is to be dropped. p_going is a statement that returns its input,
-- source, partition, ordinal and replaced.
CREATE OR REPLACE FUNCTION note_retired(p_table text, p_going text, p_until timestamptz)
RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    noted bigint;
BEGIN
    EXECUTE format($sql$
        WITH going AS (%s), counted AS (
            SELECT input, source, partition, count(*) AS rows, sum(replaced) AS replaced,
                max(ordinal) AS last_ordinal
            FROM going GROUP BY input, source, partition
        ), kept AS (
            INSERT INTO retired_rows AS r (table_name, input, source, partition, rows, replaced,
                last_ordinal, until)
            SELECT %L, input, source, partition, rows, replaced, last_ordinal, %L FROM counted
            ON CONFLICT (table_name, input, source, partition) DO UPDATE
            SET rows = r.rows + excluded.rows, replaced = r.replaced + excluded.replaced,
                last_ordinal = greatest(r.last_ordinal, excluded.last_ordinal),
                until = greatest(r.until, excluded.until), retired_at = clock_timestamp()
        )
        SELECT coalesce(sum(rows), 0) FROM counted $sql$,
        p_going, p_table, p_until) INTO noted;
    RETURN noted;
END
$$;

-- Tests whether a partition of a table, or a chunk (then p_parent is NULL), could be dropped now.
-- Raises 55P03 if it stays in use. Holds no lock afterwards, because a failed block releases its
-- locks.
CREATE OR REPLACE FUNCTION try_to_drop(p_parent regclass, p_day regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '500ms'
AS $$
BEGIN
    IF p_parent IS NOT NULL THEN
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', p_parent);
    END IF;
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', p_day);
    RAISE EXCEPTION 'it can be dropped' USING ERRCODE = 'TL013';
EXCEPTION WHEN SQLSTATE 'TL013' THEN
    NULL;
END
$$;

-- Drops the days of a table that ended at least p_keep ago, oldest first and at most p_most of
-- them. Returns them with the number of their rows. It keeps at least what the migrator has written
-- to retention_least. A table without a row there is left alone (42501). The first day of 1970
-- holds ticks without a time, of which it deletes rows that were received so long ago.
--
-- A day is counted before it is dropped, and dropping needs an exclusive lock for a moment. If the
-- lock is not available within half a second (55P03), the day is left to the next call, so that no
-- writer waits long. The lock is tested before the counting, which may take minutes, and released
-- after the test.
CREATE OR REPLACE FUNCTION apply_retention(
    p_table text, p_keep interval, p_most integer DEFAULT 1000
) RETURNS TABLE (dropped text, from_ts timestamptz, to_ts timestamptz, row_count bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '500ms'
AS $$
DECLARE
    before      timestamptz;
    shape_found text;
    kept_least  interval;
    day         record;
    -- The stream of the ordinals, and the number of replaced bars.
    noted CONSTANT text := CASE p_table
        WHEN 'bars' THEN '''bars'' AS input, replaced'
        WHEN 'late_ticks' THEN '''bars'' AS input, 0 AS replaced'
        WHEN 'events' THEN 'input, 0 AS replaced'
        WHEN 'indicators' THEN 'indicator_input(source) AS input, 0 AS replaced'
        ELSE '''ticks'' AS input, 0 AS replaced' END;
BEGIN
    SELECT t.shape INTO shape_found FROM time_tables() t WHERE t.table_name = p_table;
    IF shape_found IS NULL THEN
        RAISE EXCEPTION '% is no table that is cut by time', coalesce(p_table, 'NULL')
            USING ERRCODE = 'TL011';
    END IF;
    SELECT r.least_kept INTO kept_least FROM retention_least r WHERE r.table_name = p_table;
    IF kept_least IS NULL THEN
        RAISE EXCEPTION 'rows of % are kept for ever: no retention was set by the migrator', p_table
            USING ERRCODE = '42501',
                HINT = 'Set WRITER_RETENTION and run: store-writer migrate';
    END IF;
    IF p_keep IS NULL OR now() - p_keep > now() - kept_least THEN
        RAISE EXCEPTION 'rows of % are kept for % at least, not for %', p_table, kept_least, p_keep
            USING ERRCODE = '22023',
                HINT = 'Set WRITER_RETENTION and run: store-writer migrate';
    END IF;
    before := now() - p_keep;
    -- A different lock than that for making days, which would otherwise wait while complete days
    -- are counted.
    PERFORM pg_advisory_xact_lock(hashtextextended(
        format('tapeline.retention.%s.%s', current_schema(), p_table), 0));
    FOR day IN
        SELECT * FROM retention_days(p_table, shape_found) d
        WHERE d.to_ts <= before AND d.from_ts >= '1970-01-02 00:00+00'
        ORDER BY d.from_ts LIMIT p_most
    LOOP
        PERFORM try_to_drop(CASE shape_found WHEN 'native' THEN p_table::regclass END, day.relation);
        -- Rows that come now would be dropped without being counted.
        EXECUTE format('LOCK TABLE %s IN SHARE MODE', day.relation);
        dropped := day.relation::text;
        from_ts := day.from_ts;
        to_ts := day.to_ts;
        row_count := note_retired(p_table,
            format('SELECT %s, source, partition, ordinal FROM %s', noted, day.relation),
            day.to_ts);
        IF shape_found = 'native' THEN
            EXECUTE format('DROP TABLE %s', day.relation);
        ELSE
            EXECUTE format('SELECT count(*) FROM %I.drop_chunks(%L::regclass, %L::timestamptz,
                %L::timestamptz)', timescale_schema(), p_table, day.to_ts, day.from_ts);
        END IF;
        RETURN NEXT;
    END LOOP;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = p_table::regclass
        AND attname = 'receive_time' AND NOT attisdropped) THEN
        -- Includes compressed rows, however many.
        PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)
            WHERE shape_found = 'hypertable';
        row_count := note_retired(p_table,
            format('DELETE FROM %I WHERE ts < ''1970-01-02 00:00+00'' AND receive_time < %L
                RETURNING %s, source, partition, ordinal', p_table, before, noted),
            '1970-01-01 00:00+00');
        IF row_count > 0 THEN
            UPDATE retired_rows r SET received_until = greatest(r.received_until, before)
            WHERE r.table_name = p_table;
            dropped := p_table || ' without a time';
            from_ts := '1970-01-01 00:00+00';
            to_ts := '1970-01-02 00:00+00';
            RETURN NEXT;
        END IF;
    END IF;
END
$$;

-- Returns whether retention has dropped the rows of that time. A row of that time must not be
-- stored any more, or dropped data would come back. Without a time, the time of receipt applies.
CREATE OR REPLACE FUNCTION is_retired(p_table text, p_ts timestamptz, p_received timestamptz)
RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(CASE WHEN p_ts < '1970-01-02 00:00+00' THEN p_received < max(r.received_until)
        ELSE p_ts < max(r.until) END, false)
    FROM retired_rows r WHERE r.table_name = p_table
$$;

-- Returns the partitions or chunks of a time-partitioned table.
CREATE OR REPLACE FUNCTION retention_days(p_table text, p_shape text)
RETURNS TABLE (relation regclass, from_ts timestamptz, to_ts timestamptz)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT format('%I.%I', current_schema(), p.name)::regclass, p.from_ts, p.to_ts
    FROM time_partitions(p_table) p
    WHERE p_shape = 'native'
    UNION ALL
    SELECT c.relation, c.from_ts, c.to_ts FROM time_chunks(p_table) c WHERE p_shape = 'hypertable'
$$;
