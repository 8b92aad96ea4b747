-- The time-partitioned tables in their three shapes (native partitions, hypertables of either
-- edition of TimescaleDB), and the changes to them that a writer may request although it does not
-- own them. A partition is a day of UTC, of some tables a week, a month or a year (partition_span).

-- Trades and quotes are views. The functions here take their names, and the names of the tables with
-- their rows. Returns the name of the table.
CREATE OR REPLACE FUNCTION rows_of(p_table text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE p_table WHEN 'trades' THEN 'trade_rows' WHEN 'quotes' THEN 'quote_rows'
        ELSE p_table END
$$;

-- Returns the name that people use for a table.
CREATE OR REPLACE FUNCTION known_as(p_table text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE p_table WHEN 'trade_rows' THEN 'trades' WHEN 'quote_rows' THEN 'quotes'
        ELSE p_table END
$$;

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
        AND c.relname = ANY (ARRAY['trade_rows', 'quote_rows', 'bars_short', 'bars_long',
            'bar_versions', 'depth', 'options', 'news', 'fundamentals', 'indicators',
            'provider_bars', 'events', 'late_ticks']);
END
$$;

-- Returns the schema of TimescaleDB's functions; NULL without the extension.
CREATE OR REPLACE FUNCTION timescale_schema() RETURNS name
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb'
$$;

-- Returns which of the two kinds of databases this is, 'plain' or 'timescaledb', and the extension's
-- licence: 'timescale' is that of the Community edition. The tables decide: an extension that was
-- installed after them changes nothing.
CREATE OR REPLACE FUNCTION store_mode()
RETURNS TABLE (mode text, server_version text, timescaledb_version text, license text)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM time_tables() t WHERE t.shape = 'hypertable')
            THEN 'timescaledb' ELSE 'plain' END,
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
    WHERE i.inhparent = to_regclass(format('%I.%I', current_schema(), rows_of(p_table)))
    ORDER BY 2
$$;

-- Returns the span of UTC that a new partition of a native table takes at most: a day, for tables
-- with fewer rows a week or a month, and for long bars a year. The first day of 1970, which holds
-- ticks without a time, is alone. Chunks of hypertables have the same lengths, but begin elsewhere.
CREATE OR REPLACE FUNCTION partition_span(p_table text, p_ts timestamptz)
RETURNS TABLE (from_ts timestamptz, to_ts timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT date_trunc(unit, p_ts, 'UTC'),
        (date_trunc(unit, p_ts AT TIME ZONE 'UTC') + ('1 ' || unit)::interval) AT TIME ZONE 'UTC'
    FROM (SELECT CASE WHEN p_ts < '1970-01-02 00:00+00' THEN 'day'
        WHEN p_table = 'bars_long' THEN 'year'
        WHEN p_table IN ('news', 'fundamentals', 'events', 'provider_bars') THEN 'month'
        WHEN p_table IN ('options', 'indicators', 'bar_versions') THEN 'week'
        ELSE 'day' END AS unit) AS span
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
            WHERE hypertable_schema = current_schema() AND hypertable_name = $1'
            USING rows_of(p_table);
    END IF;
END
$$;

-- Returns the bytes on disk of each time-partitioned table, with its indexes. `other` is the rest of
-- the database. If a table is being altered, the function waits for it, but not for long.
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
        table_name := known_as(table_name);
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
    SELECT t.shape INTO shape_found FROM time_tables() t WHERE t.table_name = rows_of(p_table);
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

-- Tells the planner which series a new, empty partition or chunk of bars cannot have: those that
-- are known to be in the other table. So a query of one series has only its own table in its plan.
-- Raises 55P03 if the partition is in use.
CREATE OR REPLACE FUNCTION tell_series_apart(p_table text, p_relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '500ms'
AS $$
DECLARE
    -- The planner looks at no longer lists.
    series_max CONSTANT integer := 100;
    others     text[];
BEGIN
    IF p_table NOT IN ('bars_short', 'bars_long') THEN
        RETURN;
    END IF;
    SELECT array_agg(s.series ORDER BY s.series) INTO others
    FROM (SELECT series FROM bar_series WHERE is_long = (p_table = 'bars_short')
        ORDER BY series LIMIT series_max) AS s;
    IF others IS NULL OR obj_description(p_relation, 'pg_class') = others::text THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_constraint
        WHERE conrelid = p_relation AND conname = 'series_of_other_table') THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT series_of_other_table', p_relation);
    END IF;
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT series_of_other_table
        CHECK (series <> ALL (%L::text[]))', p_relation, others);
    EXECUTE format('COMMENT ON TABLE %s IS %L', p_relation, others::text);
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
    PERFORM tell_series_apart(p_table, chunk);
EXCEPTION WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
    NULL;
END
$$;

-- Makes the partition for p_ts if it is missing: the span of partition_span, as far as other
-- partitions leave it free. Any number of writers may call it at
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
    place CONSTANT text := rows_of(p_table);
    shape_found    text;
    free           record;
    part_name      text;
BEGIN
    SELECT t.shape INTO shape_found FROM time_tables() t WHERE t.table_name = place;
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
        PERFORM make_chunk(place, p_ts);
    END IF;
    -- A version that is replaced finds its partition, too. Of long windows there are few: the writer
    -- makes theirs when one is replaced.
    IF shape_found = 'native' AND place = 'bars_short' THEN
        PERFORM make_time_partition('bar_versions', p_ts);
    END IF;
    IF shape_found <> 'native' THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(
        format('tapeline.partitions.%s.%s', current_schema(), place), 0));
    IF EXISTS (SELECT FROM time_partitions(place) p
        WHERE p.from_ts <= p_ts AND p.to_ts > p_ts) THEN
        RETURN;
    END IF;
    IF (SELECT count(*) FROM time_partitions(place)) >= partitions_max THEN
        RAISE EXCEPTION '% has % partitions already', place, partitions_max
            USING ERRCODE = 'TL012', HINT = 'Set a retention for it.';
    END IF;
    SELECT greatest(s.from_ts, max(p.to_ts) FILTER (WHERE p.to_ts <= p_ts)) AS from_ts,
        least(s.to_ts, min(p.from_ts) FILTER (WHERE p.from_ts > p_ts)) AS to_ts
    INTO free
    FROM partition_span(place, p_ts) s LEFT JOIN time_partitions(place) p ON true
    GROUP BY s.from_ts, s.to_ts;
    part_name := place || '_p' || to_char(free.from_ts AT TIME ZONE 'UTC', 'YYYYMMDD');
    IF to_regclass(format('%I.%I', current_schema(), part_name)) IS NOT NULL THEN
        RAISE EXCEPTION '% stands beside % and is no partition of it', part_name, place
            USING ERRCODE = '42P07', HINT = 'Attach it, or rename it.';
    END IF;
    -- CREATE TABLE ... PARTITION OF would lock the table exclusively; attaching does not.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part_name, place);
    PERFORM tell_series_apart(place, part_name::regclass);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', place,
        part_name, free.from_ts, free.to_ts);
END
$$;

-- Makes the partitions from yesterday to p_days from today of the native tables that are written:
-- trades and quotes, and those that have had rows lately. Others get theirs with their first row.
-- Returns how many were missing.
CREATE OR REPLACE FUNCTION make_coming_partitions(p_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    today CONSTANT timestamptz := date_trunc('day', now(), 'UTC');
    -- Also long enough for what is written once a week.
    written_within CONSTANT interval := '15 days';
    wanted         record;
    coming         record;
    is_used        boolean;
    made           integer := 0;
BEGIN
    IF p_days IS NULL OR p_days NOT BETWEEN 0 AND 366 THEN
        RAISE EXCEPTION 'partitions are made for 0 to 366 days, not %', p_days
            USING ERRCODE = '22023';
    END IF;
    -- One caller at a time: a caller that waited here finds the days that exist.
    PERFORM pg_advisory_xact_lock(hashtextextended(
        format('tapeline.partitions.%s', current_schema()), 0));
    FOR wanted IN SELECT t.table_name FROM time_tables() t WHERE t.shape = 'native' ORDER BY 1 LOOP
        -- Any bar may be replaced.
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE ts >= $1)',
            CASE wanted.table_name WHEN 'bar_versions' THEN 'bars_short'
                ELSE wanted.table_name END) INTO is_used USING today - written_within;
        CONTINUE WHEN NOT is_used AND wanted.table_name NOT IN ('trade_rows', 'quote_rows');
        FOR n IN -1..p_days LOOP
            CONTINUE WHEN EXISTS (SELECT FROM time_partitions(wanted.table_name) p
                WHERE p.from_ts <= today + n * interval '24 hours'
                    AND p.to_ts > today + n * interval '24 hours');
            PERFORM make_time_partition(wanted.table_name, today + n * interval '24 hours');
            made := made + 1;
        END LOOP;
        -- Series may have come since these were made. A partition that is being read is left to the
        -- next turn: no session queues after this one for longer than half a second.
        FOR coming IN SELECT p.name::regclass AS relation FROM time_partitions(wanted.table_name) p
            WHERE p.from_ts > now() AND wanted.table_name IN ('bars_short', 'bars_long')
        LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', coming.relation) INTO is_used;
            CONTINUE WHEN is_used;
            BEGIN
                PERFORM tell_series_apart(wanted.table_name, coming.relation);
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
