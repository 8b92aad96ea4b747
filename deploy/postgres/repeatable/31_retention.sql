-- Dropping the oldest rows of the time-partitioned tables, and which rows were dropped.

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
-- them; `bars.1s` stands for the bars of the series 1s, of which it deletes days of rows. Returns them with the number of their rows. It keeps at least what the migrator has written
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
    place CONSTANT text := rows_of(p_table);
    -- The stream of the ordinals, and the number of replaced bars.
    noted CONSTANT text := CASE p_table
        WHEN 'bars_short' THEN '''bars'' AS input, replaced'
        WHEN 'bars_long' THEN '''bars'' AS input, replaced'
        -- `replaced` of their bars counts them already.
        WHEN 'bar_versions' THEN '''versions'' AS input, 0 AS replaced'
        WHEN 'late_ticks' THEN '''bars'' AS input, 0 AS replaced'
        WHEN 'events' THEN 'input, 0 AS replaced'
        WHEN 'indicators' THEN 'indicator_input(source) AS input, 0 AS replaced'
        ELSE '''ticks'' AS input, 0 AS replaced' END;
BEGIN
    SELECT t.shape INTO shape_found FROM time_tables() t WHERE t.table_name = place;
    IF shape_found IS NULL AND coalesce(p_table NOT LIKE 'bars.%', true) THEN
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
    IF shape_found IS NULL THEN
        RETURN QUERY SELECT * FROM drop_days_of_series(substr(p_table, 6), before, p_most);
        RETURN;
    END IF;
    FOR day IN
        SELECT d.* FROM retention_days(place, shape_found) d
        WHERE d.to_ts <= before AND d.from_ts >= '1970-01-02 00:00+00'
        ORDER BY d.from_ts LIMIT p_most
    LOOP
        PERFORM try_to_drop(CASE shape_found WHEN 'native' THEN place::regclass END, day.relation);
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
                %L::timestamptz)', timescale_schema(), place, day.to_ts, day.from_ts);
        END IF;
        RETURN NEXT;
    END LOOP;
    -- Bars have no time of receipt, and always one of their window.
    IF EXISTS (SELECT FROM pg_attribute a
        WHERE a.attrelid = place::regclass AND a.attname = 'receive_time' AND NOT a.attisdropped)
    THEN
        -- Includes compressed rows, however many.
        PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)
            WHERE shape_found = 'hypertable';
        row_count := note_retired(p_table,
            format('DELETE FROM %I WHERE ts < ''1970-01-02 00:00+00'' AND receive_time < %L
                RETURNING %s, source, partition, ordinal', place, before, noted),
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
    PERFORM drop_stretches();
END
$$;

-- Returns the longest time for which one of these tables keeps rows, and a day more, for clocks that
-- differ. A table without rows does not count. At least a day.
CREATE OR REPLACE FUNCTION kept_for(p_tables text[]) RETURNS interval
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    place   record;
    is_used boolean;
    longest interval := '1 day';
BEGIN
    FOR place IN
        SELECT t.table_name, coalesce(r.least_kept, interval '1000 years') + interval '1 day' AS kept
        FROM time_tables() t LEFT JOIN retention_least r ON r.table_name = known_as(t.table_name)
        WHERE t.table_name = ANY (p_tables)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', place.table_name) INTO is_used;
        IF is_used THEN
            longest := greatest(longest, place.kept);
        END IF;
    END LOOP;
    RETURN longest;
END
$$;

-- Deletes what is kept beside the rows, and is about none any more: when the tape took them, cancels and
-- corrections by id, and stretches that are not stored. With a table that keeps its rows for ever nothing
-- is deleted. One caller at a time: another one leaves it.
CREATE OR REPLACE FUNCTION drop_stretches() RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    ticks  CONSTANT text[] := '{trade_rows,quote_rows,depth,indicators}';
    place  record;
    before timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(
        format('tapeline.stretches.%s', current_schema()), 0)) THEN
        RETURN;
    END IF;
    FOR place IN
        SELECT 'ticks' AS input, kept_for(ticks) AS kept, kept_for(ticks) AS kept_losses
        UNION ALL
        SELECT 'bars', kept_for('{late_ticks,indicators}'),
            kept_for('{late_ticks,indicators,bars_short,bars_long,bar_versions}')
    LOOP
        before := now() - place.kept;
        DELETE FROM stored_stretches s WHERE s.input = place.input AND s.taken_from < before;
        DELETE FROM replayed_rows r WHERE r.input = place.input AND r.replayed_at < before;
        PERFORM drop_losses(place.input, now() - place.kept_losses);
    END LOOP;
    -- A change may come at any time after its trade, and not before it.
    DELETE FROM changes_by_id c WHERE c.noted_at < (
        SELECT max(r.until) FROM retired_rows r WHERE r.table_name = 'trades') - interval '1 day';
END
$$;

-- Makes the losses of a partition that ended before p_before one: questions about that time raise because
-- its rows are gone, but not those about gaps, which no retention drops.
CREATE OR REPLACE FUNCTION drop_losses(p_input text, p_before timestamptz) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    WITH gone AS (
        DELETE FROM version_losses l
        WHERE l.input = p_input AND l.to_at < p_before AND 1 < (SELECT count(*) FROM version_losses o
            WHERE (o.input, o.partition) = (l.input, l.partition) AND o.to_at < p_before)
        RETURNING l.partition, l.from_at, l.to_at
    )
    INSERT INTO version_losses (input, partition, from_at, to_at, reason)
    SELECT p_input, partition, min(from_at), max(to_at), 'earlier' FROM gone GROUP BY partition
$$;

-- Deletes the bars of a series that are older than p_before, a day of UTC at a time and at most p_most
-- of them, and returns the days. The other series of the table stay, so the partition stays.
CREATE OR REPLACE FUNCTION drop_days_of_series(
    p_series text, p_before timestamptz, p_most integer
) RETURNS TABLE (dropped text, from_ts timestamptz, to_ts timestamptz, row_count bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    place  text;
    oldest timestamptz;
BEGIN
    SELECT CASE WHEN s.is_long THEN 'bars_long' ELSE 'bars_short' END INTO place
    FROM bar_series s WHERE s.series = p_series;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
    FOR n IN 1..p_most LOOP
        EXECUTE format('SELECT min(ts) FROM %I WHERE series = $1 AND ts >= $2', place)
            INTO oldest USING p_series, timestamptz '1970-01-02 00:00+00';
        from_ts := date_trunc('day', oldest, 'UTC');
        to_ts := from_ts + interval '24 hours';
        EXIT WHEN oldest IS NULL OR to_ts > p_before;
        dropped := format('%s of %s', p_series, (from_ts AT TIME ZONE 'UTC')::date);
        row_count := note_retired('bars.' || p_series, format('DELETE FROM %I
            WHERE series = %L AND ts >= %L AND ts < %L
            RETURNING ''bars'' AS input, source, partition, ordinal, replaced', place, p_series,
            from_ts, to_ts), to_ts);
        PERFORM note_retired('bars.' || p_series, format('DELETE FROM bar_versions
            WHERE series = %L AND ts >= %L AND ts < %L
            RETURNING ''versions'' AS input, source, partition, ordinal, 0 AS replaced', p_series,
            from_ts, to_ts), to_ts);
        RETURN NEXT;
    END LOOP;
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
    FROM retired_rows r WHERE r.table_name = known_as(p_table)
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
