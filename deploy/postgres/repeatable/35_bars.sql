-- Bars: the view on their two tables, which table a series is in, and the moving of rows that were
-- stored before `source` was part of the key (0012_bars_by_source.sql).

-- Makes the view `bars`, and `stored_bars` for audits. While rows wait in bars_before, both show them,
-- too: a bar that the new tables have under the same key hides the old row. stored_bars has every row,
-- hidden or not, because the books count each.
CREATE OR REPLACE FUNCTION make_bars_view(
    p_with_before boolean DEFAULT to_regclass('bars_before') IS NOT NULL
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    columns text;
    query   text;
BEGIN
    -- A view keeps its columns: known_at stays where sent_at is in the table.
    SELECT string_agg(CASE attname WHEN 'sent_at' THEN 'taken_at AS known_at'
        WHEN 'taken_at' THEN 'sent_at' ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
    INTO columns
    FROM pg_attribute
    WHERE attrelid = 'bars_short'::regclass AND attnum > 0 AND NOT attisdropped;
    query := format('SELECT %1$s FROM bars_short UNION ALL SELECT %1$s FROM bars_long', columns);
    IF p_with_before THEN
        query := query || $before$
            UNION ALL
            SELECT o.*, open IS NULL AND volume = 0, open IS NOT NULL AND trades = 0, NULL::bigint,
                NULL::timestamptz, NULL::timestamptz
            FROM bars_before AS o
            WHERE NOT EXISTS (SELECT FROM bars_short n
                    WHERE (n.symbol, n.series, n.ts, n.number, n.source)
                        = (o.symbol, o.series, o.ts, o.number, o.source))
                AND NOT EXISTS (SELECT FROM bars_long n
                    WHERE (n.symbol, n.series, n.ts, n.number, n.source)
                        = (o.symbol, o.series, o.ts, o.number, o.source)) $before$;
    END IF;
    EXECUTE 'CREATE OR REPLACE VIEW bars AS ' || query;
    COMMENT ON VIEW bars IS 'the latest version of each bar, of all series';
    EXECUTE 'CREATE OR REPLACE VIEW stored_bars AS
        SELECT symbol, series, ts, source, partition, ordinal, replaced FROM bars_short
        UNION ALL
        SELECT symbol, series, ts, source, partition, ordinal, replaced FROM bars_long'
        || CASE WHEN p_with_before THEN ' UNION ALL
        SELECT symbol, series, ts, source, partition, ordinal, replaced FROM bars_before' ELSE '' END;
END
$$;

SELECT make_bars_view();

-- Bars that stand: without those that are void and that nothing replaces.
CREATE OR REPLACE VIEW bars_standing AS SELECT * FROM bars WHERE NOT withdrawn;

-- Notes series of bars, and returns in which table each is. What was decided first stays: a series
-- whose width was changed later has its rows in one table nevertheless.
CREATE OR REPLACE FUNCTION note_series(p_series text[], p_are_long boolean[])
RETURNS TABLE (series text, is_long boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
    -- In one order, so that two callers do not wait for each other in a circle.
    INSERT INTO bar_series (series, is_long)
    SELECT w.series, w.is_long FROM unnest(p_series, p_are_long) AS w (series, is_long)
    ORDER BY w.series
    ON CONFLICT (series) DO NOTHING;
    RETURN QUERY SELECT s.series, s.is_long FROM bar_series s WHERE s.series = ANY (p_series);
END
$$;

-- Returns the pairs of symbol and series that have bars in bars_before with a time in [p_from, p_to),
-- with their number of rows, and whether the windows are long. Windows of the clock and sessions begin
-- and end at whole minutes; those that the ticks end do not, or have a number, and are short.
CREATE OR REPLACE FUNCTION pairs_to_move(p_from timestamptz, p_to timestamptz)
RETURNS TABLE (symbol text, series text, row_count bigint, is_long boolean)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT symbol, series, count(*),
            bool_and(number = 0 AND close_time_ns - open_time_ns >= 3600000000000
                AND open_time_ns % 60000000000 = 0 AND close_time_ns % 60000000000 = 0)
        FROM bars_before WHERE ts >= $1 AND ts < $2 GROUP BY 1, 2 ORDER BY 1, 2' USING p_from, p_to;
END
$$;

-- Returns the partitions or chunks of bars_before whose rows have to be moved, newest first. Empty
-- when there are none. A table that is not partitioned is one part of all times, as long as it has
-- rows.
CREATE OR REPLACE FUNCTION bars_to_move() RETURNS TABLE (from_ts timestamptz, to_ts timestamptz)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    is_native boolean := (SELECT relkind = 'p' FROM pg_class
        WHERE oid = to_regclass('bars_before'));
BEGIN
    RETURN QUERY SELECT d.from_ts, d.to_ts
    FROM retention_days('bars_before', CASE WHEN is_native THEN 'native' ELSE 'hypertable' END) d
    ORDER BY d.from_ts DESC;
    IF NOT FOUND AND NOT is_native THEN
        RETURN QUERY EXECUTE 'SELECT timestamptz ''-infinity'', timestamptz ''infinity''
            WHERE EXISTS (SELECT FROM bars_before)';
    END IF;
END
$$;

-- Moves the bars of these pairs of symbol and series with a time in [p_from, p_to) from bars_before to
-- their tables, and returns how many they were. The series are noted (note_series). Rows are in
-- exactly one table at any moment that others see, so a mover that is killed leaves nothing to mend.
-- Where a bar is in the new table already, the higher revision stays, the other one goes to
-- bar_versions, and `replaced` counts both: the books counted both.
--
-- The rows of a pair are stored and deleted by statements of their own: of a compressed chunk whole
-- batches are then deleted without unpacking them. Nobody else writes to bars_before.
CREATE OR REPLACE FUNCTION move_bars(
    p_from timestamptz, p_to timestamptz, p_symbols text[], p_series text[]
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    same    CONSTANT text := 'symbol = $1 AND series = $2 AND ts >= $3 AND ts < $4';
    columns text;
    kept    text;
    changes text;
    pair    record;
    target  boolean;
    stored  bigint;
    deleted bigint;
    moved   bigint := 0;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
        string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE attname <> 'replaced')
    INTO columns, kept
    FROM pg_attribute
    WHERE attrelid = 'bars_before'::regclass AND attnum > 0 AND NOT attisdropped;
    SELECT string_agg(format('%1$I = CASE WHEN excluded.revision > n.revision THEN excluded.%1$I
            ELSE n.%1$I END', attname), ', ') INTO changes
    FROM pg_attribute
    WHERE attrelid = 'bars_short'::regclass AND attnum > 0 AND NOT attisdropped
        AND attname <> ALL ('{symbol,series,ts,number,source,replaced}');
    PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
    FOR pair IN SELECT w.symbol, w.series FROM unnest(p_symbols, p_series) AS w (symbol, series) LOOP
        SELECT s.is_long INTO STRICT target FROM bar_series s WHERE s.series = pair.series;
        -- A higher one replaces the row of the new table, which the table's trigger keeps.
        EXECUTE format('INSERT INTO bar_versions (%2$s, withdrawn, filled)
            SELECT %3$s, b.open IS NULL AND b.volume = 0, b.open IS NOT NULL AND b.trades = 0
            FROM bars_before b JOIN %1$I n USING (symbol, series, ts, number, source)
            WHERE b.symbol = $1 AND b.series = $2 AND b.ts >= $3 AND b.ts < $4
                AND b.revision < n.revision
            ON CONFLICT DO NOTHING',
            CASE WHEN target THEN 'bars_long' ELSE 'bars_short' END, kept,
            'b.' || replace(kept, ', ', ', b.'))
            USING pair.symbol, pair.series, p_from, p_to;
        EXECUTE format('INSERT INTO %1$I AS n (%2$s, withdrawn, filled)
            SELECT %2$s, open IS NULL AND volume = 0, open IS NOT NULL AND trades = 0
            FROM bars_before WHERE ' || same || '
            ON CONFLICT (symbol, series, ts, number, source) DO UPDATE
            SET %3$s, replaced = n.replaced + excluded.replaced + 1',
            CASE WHEN target THEN 'bars_long' ELSE 'bars_short' END, columns, changes)
            USING pair.symbol, pair.series, p_from, p_to;
        GET DIAGNOSTICS stored = ROW_COUNT;
        EXECUTE 'DELETE FROM bars_before WHERE ' || same
            USING pair.symbol, pair.series, p_from, p_to;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        IF stored <> deleted THEN
            RAISE EXCEPTION 'of % rows of % % % were stored', deleted, pair.symbol, pair.series, stored
                USING ERRCODE = 'TL014';
        END IF;
        moved := moved + stored;
    END LOOP;
    RETURN moved;
END
$$;

-- Drops a partition or chunk of bars_before that is empty by now. Returns false if it has rows.
-- Raises 55P03 if it is in use; nothing is held then. A table that is not partitioned stays for
-- end_moving.
CREATE OR REPLACE FUNCTION drop_moved(p_from timestamptz, p_to timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '500ms'
AS $$
DECLARE
    is_native boolean := (SELECT relkind = 'p' FROM pg_class WHERE oid = 'bars_before'::regclass);
    has_rows  boolean;
    day       record;
BEGIN
    FOR day IN
        SELECT * FROM retention_days('bars_before',
            CASE WHEN is_native THEN 'native' ELSE 'hypertable' END) d
        WHERE d.from_ts = p_from AND d.to_ts = p_to
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM bars_before WHERE ts >= $1 AND ts < $2)'
            INTO has_rows USING p_from, p_to;
        IF has_rows THEN
            RETURN false;
        END IF;
        PERFORM try_to_drop(CASE WHEN is_native THEN 'bars_before'::regclass END, day.relation);
        IF is_native THEN
            EXECUTE format('DROP TABLE %s', day.relation);
        ELSE
            EXECUTE format('SELECT count(*) FROM %I.drop_chunks(''bars_before''::regclass,
                %L::timestamptz, %L::timestamptz)', timescale_schema(), p_to, p_from);
        END IF;
    END LOOP;
    RETURN true;
END
$$;

-- Ends the moving: the views read the new tables alone, and bars_before is gone. Returns false while
-- it has partitions or rows.
CREATE OR REPLACE FUNCTION end_moving() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '500ms'
AS $$
DECLARE
    has_rows boolean;
BEGIN
    IF to_regclass('bars_before') IS NULL THEN
        RETURN true;
    END IF;
    -- Whatever its shape, nothing that has rows is dropped.
    EXECUTE 'SELECT EXISTS (SELECT FROM bars_before)' INTO has_rows;
    IF has_rows OR EXISTS (SELECT FROM bars_to_move()) THEN
        RETURN false;
    END IF;
    PERFORM make_bars_view(false);
    DROP TABLE bars_before;
    RETURN true;
END
$$;
