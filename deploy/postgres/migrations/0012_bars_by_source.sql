-- A bar belongs to its source: two sources of one symbol have a bar each. So `source` is part of the
-- key. Bars of windows below an hour and longer ones have a table each, so that a day's partition does
-- not hold the one daily bar of a symbol, and so that each table keeps its rows as long as people
-- need them. `bars` is a view on both.
--
-- Locks: the new tables are made beside the old one, which is then renamed. The rename waits for a
-- lock at most half a second at a time, so no session queues after it for longer. Rows stay in the
-- renamed table, which the view shows, too. The writers move them (35_bars.sql), a few at a time.
--
-- A writer of an earlier release cannot write bars any more: it is refused (cannot insert into view
-- "bars"), and the tape keeps its rows until a writer of this release takes over.

-- In which table the bars of a series are. It is decided when the series is first seen, and never
-- again, so that no series has rows in two tables.
CREATE TABLE bar_series (
    series   text        PRIMARY KEY,
    is_long  boolean     NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE bar_series IS 'the series of bars, and in which table each of them is';
COMMENT ON COLUMN bar_series.is_long IS
    'true: bars_long (windows of an hour or longer, sessions, days); false: bars_short';

DO $$
DECLARE
    wide CONSTANT text[] := ARRAY['news', 'fundamentals', 'events', 'provider_bars', 'options',
        'indicators'];
    -- Made again, to read the new tables, by the repeatable files.
    own CONSTANT text[] := ARRAY['candles', 'candles_float', 'bar_trust', 'bars_daily'];
    extension_schema name;
    is_hypertable    boolean := false;
    foreign_views    text;
    name_of          text;
    oldest           timestamptz;
    is_covered       boolean;
    reader           record;
BEGIN
    SELECT n.nspname INTO extension_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    IF extension_schema IS NOT NULL THEN
        -- After the way back of docs/upgrade.md, bars is one table among hypertables.
        EXECUTE 'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
            WHERE hypertable_schema = current_schema()
                AND hypertable_name IN (''bars'', ''trades''))' INTO is_hypertable;
    END IF;

    -- A view of somebody else would go on reading the old table, and miss every new row in silence.
    SELECT string_agg(DISTINCT v.oid::regclass::text, ', ') INTO foreign_views
    FROM pg_depend d
    JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_class v ON v.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = v.relnamespace
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = 'bars'::regclass
        AND NOT (v.relname = ANY (own)
            AND n.nspname IN (current_schema(), current_schema() || '_market'))
        AND n.nspname NOT LIKE '\_timescaledb\_%';
    -- A continuous aggregate depends on the table by views of the extension alone.
    IF foreign_views IS NULL AND is_hypertable THEN
        EXECUTE 'SELECT string_agg(format(''%I.%I'', view_schema, view_name), '', ''
                ORDER BY view_schema, view_name)
            FROM timescaledb_information.continuous_aggregates
            WHERE hypertable_schema = current_schema() AND hypertable_name = ''bars''
                AND (view_schema, view_name) <> (current_schema(), ''bars_daily'')'
            INTO foreign_views;
    END IF;
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION 'views of others read the table bars, which is made anew: %', foreign_views
            USING ERRCODE = '2BP01', HINT = 'Drop them, migrate, and make them again.';
    END IF;
    -- The view of the server is made again on the new table (95_time.sql), from the 1m bars that are
    -- stored. Days whose 1m bars retention has dropped would be lost.
    IF to_regclass('bars_daily') IS NOT NULL THEN
        EXECUTE 'SELECT min(ts) FROM bars_daily' INTO oldest;
        EXECUTE 'SELECT EXISTS (SELECT FROM bars WHERE series = ''1m'' AND number = 0
            AND ts >= $1 AND ts < $1 + interval ''24 hours'')' INTO is_covered USING oldest;
        IF oldest IS NOT NULL AND NOT is_covered THEN
            RAISE EXCEPTION 'bars_daily has days whose 1m bars are dropped, from % on', oldest
                USING ERRCODE = '55000', HINT = format('Keep them: CREATE TABLE %1$I.bars_daily_kept '
                    'AS TABLE %1$I.bars_daily; then DROP MATERIALIZED VIEW %1$I.bars_daily, and '
                    'migrate again.', current_schema());
        END IF;
    END IF;

    -- It gets one more column, and is made again by 70_market.sql.
    EXECUTE format('DROP FUNCTION IF EXISTS %I.quality(date, text)', current_schema() || '_market');

    FOREACH name_of IN ARRAY ARRAY['bars_short', 'bars_long'] LOOP
        EXECUTE format('CREATE TABLE %I (LIKE bars INCLUDING DEFAULTS INCLUDING COMMENTS,
            withdrawn boolean NOT NULL DEFAULT false, filled boolean NOT NULL DEFAULT false,
            lateness_ns bigint, known_at timestamptz) %s', name_of,
            CASE WHEN is_hypertable THEN '' ELSE 'PARTITION BY RANGE (ts)' END);
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (symbol, series, ts, number, source)',
            name_of);
        -- For the last bar of all symbols.
        EXECUTE format('CREATE INDEX %I ON %I (series, ts DESC)', name_of || '_series_ts', name_of);
        EXECUTE format('COMMENT ON COLUMN %I.source IS
            ''whose ticks it is made of: a gateway''''s name on the tape, or that of a group of them''',
            name_of);
        EXECUTE format('COMMENT ON COLUMN %I.withdrawn IS
            ''it is void, and nothing replaces it: its trades were cancelled or moved''', name_of);
        EXECUTE format('COMMENT ON COLUMN %I.filled IS
            ''a window without trades: its prices are the close before it''', name_of);
        EXECUTE format('COMMENT ON COLUMN %I.lateness_ns IS
            ''how long after its end the window took ticks; NULL: not known''', name_of);
        EXECUTE format('COMMENT ON COLUMN %I.known_at IS
            ''when this version was sent to the tape; NULL: not known''', name_of);
        IF is_hypertable THEN
            EXECUTE format('SELECT %I.create_hypertable(%L::regclass, ''ts'',
                chunk_time_interval => %L::interval, create_default_indexes => false)',
                extension_schema, name_of,
                CASE name_of WHEN 'bars_long' THEN '365 days' ELSE '1 day' END);
        END IF;
    END LOOP;
    COMMENT ON TABLE bars_short IS 'the latest version of each bar of a window below an hour, and of '
        'bars that the clock does not end; the view bars has all';
    COMMENT ON TABLE bars_long IS 'the latest version of each bar of an hour or longer, of a session '
        'or a day; the view bars has all';

    -- Small tables get wider chunks from now on (partitions: partition_span of 30_time.sql).
    FOREACH name_of IN ARRAY wide LOOP
        CONTINUE WHEN extension_schema IS NULL;
        EXECUTE format('SELECT %I.set_chunk_time_interval(%L::regclass, %L::interval)
            FROM timescaledb_information.hypertables
            WHERE hypertable_schema = current_schema() AND hypertable_name = %L',
            extension_schema, name_of,
            CASE WHEN name_of IN ('options', 'indicators') THEN '7 days' ELSE '30 days' END,
            name_of);
    END LOOP;

    FOR n IN 1..120 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            -- In the order in which the writers lock them.
            LOCK TABLE ONLY trades IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE ONLY quotes IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE ONLY indicators IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE ONLY bars IN ACCESS EXCLUSIVE MODE;
            ALTER TABLE trades ADD COLUMN of_source text;
            ALTER TABLE quotes ADD COLUMN of_source text;
            ALTER TABLE indicators ADD COLUMN of_source text;
            IF to_regclass('bars_daily') IS NOT NULL THEN
                EXECUTE 'DROP MATERIALIZED VIEW bars_daily';
            END IF;
            ALTER TABLE bars RENAME TO bars_before;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF n = 120 THEN
                RAISE EXCEPTION 'the tables trades, quotes, indicators and bars are in use all the time'
                    USING ERRCODE = '55P03', HINT = 'End long queries, and migrate again.';
            END IF;
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
    COMMENT ON COLUMN trades.of_source IS
        'of a tick that a person put onto the tape (source manual): to which source it belongs; NULL: '
        'not said, or a tick of its source';
    COMMENT ON COLUMN quotes.of_source IS
        'of a tick that a person put onto the tape (source manual): to which source it belongs; NULL: '
        'not said, or a tick of its source';
    COMMENT ON COLUMN indicators.of_source IS
        'of an operator''s value: whose ticks it is made of; empty or NULL: of no one source';
    CREATE TEMPORARY TABLE readers_of_bars ON COMMIT DROP AS
    SELECT r.* FROM pg_class c, aclexplode(c.relacl) r
    WHERE c.oid = 'bars_before'::regclass AND r.privilege_type = 'SELECT'
        AND r.grantee <> c.relowner;
    IF EXISTS (SELECT FROM bars_before) THEN
        COMMENT ON TABLE bars_before IS 'bars of before their source was part of the key: the writers '
            'move them to bars_short and bars_long';
        CREATE VIEW bars AS
        SELECT *, open IS NULL AND volume = 0 AS withdrawn, open IS NOT NULL AND trades = 0 AS filled,
            NULL::bigint AS lateness_ns, NULL::timestamptz AS known_at
        FROM bars_before;
        IF is_hypertable AND current_setting('timescaledb.license', true) = 'timescale' THEN
            EXECUTE format('SELECT %I.remove_compression_policy(''bars_before'', if_exists => true)
                FROM timescaledb_information.hypertables
                WHERE hypertable_schema = current_schema() AND hypertable_name = ''bars_before''',
                extension_schema);
        END IF;
    ELSE
        -- Our views on it go with it, and are made again by the repeatable files.
        DROP TABLE bars_before CASCADE;
        CREATE VIEW bars AS SELECT * FROM bars_short;
    END IF;
    -- Who could read the table can read the view. 35_bars.sql replaces it, which keeps these rights.
    FOR reader IN SELECT * FROM readers_of_bars LOOP
        EXECUTE format('GRANT SELECT ON bars TO %s',
            CASE reader.grantee WHEN 0 THEN 'PUBLIC' ELSE reader.grantee::regrole::text END
                || CASE WHEN reader.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END
$$;

-- For one symbol's values. Where the table is large or has many partitions, that would stop the writers
-- for too long.
DO $$
DECLARE
    bytes bigint;
    parts bigint;
BEGIN
    SELECT coalesce(sum(pg_relation_size(inhrelid)), 0) + pg_relation_size('indicators'), count(*)
    INTO bytes, parts
    FROM pg_inherits WHERE inhparent = 'indicators'::regclass;
    IF bytes < 33554432 AND parts <= 100 THEN
        CREATE INDEX indicators_name_symbol_ts ON indicators (name, symbol, ts DESC);
        DROP INDEX indicators_name_ts;
    ELSE
        RAISE WARNING 'indicators is too large to make an index while the writers run'
            USING HINT = 'When they may wait: CREATE INDEX indicators_name_symbol_ts ON indicators '
                '(name, symbol, ts DESC); DROP INDEX indicators_name_ts.';
    END IF;
END
$$;

-- Rows that retention dropped were of the one table.
UPDATE retired_rows SET table_name = 'bars_short' WHERE table_name = 'bars';
INSERT INTO retention_least (table_name, least_kept)
SELECT name_of, least_kept
FROM retention_least, unnest(ARRAY['bars_short', 'bars_long']) AS name_of WHERE table_name = 'bars';
DELETE FROM retention_least WHERE table_name = 'bars';
