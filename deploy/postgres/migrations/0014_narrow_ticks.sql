-- Trades and quotes in narrower rows: trade_rows and quote_rows. `trades` and `quotes` are views, with
-- the columns, types and values of before. What makes a row narrower:
--
-- - No column has NULL, so no row has a bitmap of them. The order of columns leaves no padding.
-- - A time is once in a row: microseconds as before, and the nanoseconds after them. provider_time is
--   `ts`, wherever the provider gave a time.
-- - The index has ascending times. Rows come in that order, and then PostgreSQL splits a page at its
--   end: pages stay full. Descending, each page is split in its middle.
--
-- Rows that are stored stay where they are, in trades_before and quotes_before, which the views show,
-- too. Nobody writes them any more. Retention drops their days, and `migrate` drops the empty tables.
--
-- Locks: the new tables are made beside the old ones, which are then renamed. The rename waits for a
-- lock at most half a second at a time, so no session queues after it for longer.
--
-- A writer of an earlier release continues: INSERT and COPY into the views store rows in the new
-- tables, more slowly, because a trigger takes each row.

-- Makes the views `trades` and `quotes`, with the rows of before while there are any, and their
-- triggers.
CREATE FUNCTION make_tick_views() RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    cut     record;
    columns text;
BEGIN
    FOR cut IN
        SELECT * FROM (VALUES
            ('trades', 'trade_rows', 'trades_before', 'store_trade',
                'price, size, exchange, conditions, action'),
            ('quotes', 'quote_rows', 'quotes_before', 'store_quote',
                'bid_price, bid_size, ask_price, ask_size, bid_exchange, ask_exchange'))
            AS t (view_name, rows_name, before_name, function_name, own_columns)
    LOOP
        -- Exact times beyond 64 bits of nanoseconds do not come: the sum is cast, not its parts.
        EXECUTE format($view$
            CREATE OR REPLACE VIEW %1$I AS
            SELECT ts,
                CASE WHEN ts_rest_ns < 0 THEN 9223372036854775807
                    ELSE (extract(epoch FROM ts) * 1000000000 + ts_rest_ns)::bigint
                    END AS event_time_ns,
                symbol, %4$s, flags::integer & 65535 AS flags, provider,
                nullif(provider_id, 0) AS provider_id,
                CASE WHEN time_resolution >= 0 THEN ts END AS provider_time,
                CASE WHEN time_resolution < 0 THEN (-1 - time_resolution)::smallint
                    ELSE time_resolution END AS time_resolution,
                receive_time,
                CASE WHEN receive_rest_ns < 0 THEN 9223372036854775807
                    ELSE (extract(epoch FROM receive_time) * 1000000000 + receive_rest_ns)::bigint
                    END AS receive_time_ns,
                source, partition::integer AS partition, epoch, ordinal,
                nullif(of_source, '') AS of_source
            FROM %2$I %3$s $view$,
            cut.view_name, cut.rows_name,
            CASE WHEN to_regclass(cut.before_name) IS NOT NULL THEN format($before$
            UNION ALL
            SELECT ts, event_time_ns, symbol, %2$s, flags, provider, provider_id, provider_time,
                time_resolution, receive_time, receive_time_ns, source, partition, epoch, ordinal,
                of_source
            FROM %1$I $before$, cut.before_name, cut.own_columns) ELSE '' END,
            cut.own_columns);
        EXECUTE format('CREATE OR REPLACE TRIGGER store INSTEAD OF INSERT ON %I
            FOR EACH ROW EXECUTE FUNCTION %I()', cut.view_name, cut.function_name);
    END LOOP;
END
$$;

-- Stores a row that comes by the view. `ts` and `receive_time` count, and of the columns with `_ns`
-- what is below a microsecond. provider_time is stored as given or not.
CREATE FUNCTION store_trade() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO trade_rows (ts, receive_time, epoch, ordinal, partition, ts_rest_ns, receive_rest_ns,
        flags, action, time_resolution, symbol, source, provider, exchange, conditions, of_source,
        provider_id, price, size)
    VALUES (new.ts, new.receive_time, new.epoch, new.ordinal, new.partition,
        rest_ns(new.event_time_ns), rest_ns(new.receive_time_ns),
        low_bits(coalesce(new.flags, 0)), coalesce(new.action, 0),
        CASE WHEN new.provider_time IS NULL THEN -1 - coalesce(new.time_resolution, 0)
            ELSE coalesce(new.time_resolution, 0) END,
        new.symbol, new.source, coalesce(new.provider, ''), coalesce(new.exchange, ''),
        coalesce(new.conditions, ''), coalesce(new.of_source, ''), coalesce(new.provider_id, 0),
        new.price, new.size);
    RETURN new;
END
$$;

-- The same for a quote.
CREATE FUNCTION store_quote() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO quote_rows (ts, receive_time, epoch, ordinal, partition, ts_rest_ns, receive_rest_ns,
        flags, time_resolution, symbol, source, provider, bid_exchange, ask_exchange, of_source,
        provider_id, bid_price, bid_size, ask_price, ask_size)
    VALUES (new.ts, new.receive_time, new.epoch, new.ordinal, new.partition,
        rest_ns(new.event_time_ns), rest_ns(new.receive_time_ns),
        low_bits(coalesce(new.flags, 0)),
        CASE WHEN new.provider_time IS NULL THEN -1 - coalesce(new.time_resolution, 0)
            ELSE coalesce(new.time_resolution, 0) END,
        new.symbol, new.source, coalesce(new.provider, ''), coalesce(new.bid_exchange, ''),
        coalesce(new.ask_exchange, ''), coalesce(new.of_source, ''), coalesce(new.provider_id, 0),
        new.bid_price, new.bid_size, new.ask_price, new.ask_size);
    RETURN new;
END
$$;

-- Returns the nanoseconds of a time after its microseconds; -1 of "no time".
CREATE FUNCTION rest_ns(p_time_ns bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE WHEN p_time_ns = 9223372036854775807 THEN -1
        ELSE (p_time_ns % 1000 + 1000) % 1000 END)::smallint
$$;

-- Returns 16 bits as a signed number.
CREATE FUNCTION low_bits(p_flags integer) RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE WHEN p_flags > 32767 THEN p_flags - 65536 ELSE p_flags END)::smallint
$$;

DO $$
DECLARE
    -- Made again, to read the views, by the repeatable files.
    own CONSTANT text[] := ARRAY['stored_ordinals', 'trades', 'quotes', 'trades_effective',
        'latest_trades', 'latest_quotes', 'bar_trust'];
    extension_schema name;
    is_hypertable    boolean := false;
    others           text;
    cut              record;
    day              timestamptz;
    has_ticks        boolean;
BEGIN
    SELECT n.nspname INTO extension_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    IF extension_schema IS NOT NULL THEN
        -- After the way back of docs/upgrade.md, trades is one table among hypertables.
        EXECUTE 'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
            WHERE hypertable_schema = current_schema() AND hypertable_name = ''depth'')'
            INTO is_hypertable;
    END IF;

    -- What others made on a table stays with the old one, and would miss every new row in silence: a
    -- view, a function with an SQL body, a trigger, a publication. A policy would hold no more.
    SELECT string_agg(DISTINCT pg_describe_object(o.class, o.id, 0), ', ') INTO others
    FROM (
        SELECT 'pg_class'::regclass AS class, v.oid AS id, d.refobjid AS place
        FROM pg_depend d
        JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_class v ON v.oid = r.ev_class
        JOIN pg_namespace n ON n.oid = v.relnamespace
        WHERE d.refclassid = 'pg_class'::regclass
            AND NOT (v.relname = ANY (own)
                AND n.nspname IN (current_schema(), current_schema() || '_market'))
            AND n.nspname NOT LIKE '\_timescaledb\_%'
        UNION ALL
        SELECT d.classid, d.objid, d.refobjid FROM pg_depend d
        WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_proc'::regclass
        UNION ALL
        SELECT 'pg_trigger'::regclass, oid, tgrelid FROM pg_trigger
        WHERE NOT tgisinternal AND tgname NOT LIKE 'ts\_%'
        UNION ALL
        SELECT 'pg_publication_rel'::regclass, oid, prrelid FROM pg_publication_rel
        UNION ALL
        SELECT 'pg_policy'::regclass, oid, polrelid FROM pg_policy) AS o
    WHERE o.place IN ('trades'::regclass, 'quotes'::regclass);
    -- A continuous aggregate depends on the table by views of the extension alone.
    IF others IS NULL AND is_hypertable THEN
        EXECUTE 'SELECT string_agg(format(''%I.%I'', view_schema, view_name), '', ''
                ORDER BY view_schema, view_name)
            FROM timescaledb_information.continuous_aggregates
            WHERE hypertable_schema = current_schema()
                AND hypertable_name IN (''trades'', ''quotes'')' INTO others;
    END IF;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION 'others read the tables trades and quotes, which are made anew: %', others
            USING ERRCODE = '2BP01', HINT = 'Drop them, migrate, and make them again.';
    END IF;

    has_ticks := EXISTS (SELECT FROM trades) OR EXISTS (SELECT FROM quotes);
    EXECUTE format('CREATE TABLE trade_rows (
            ts              timestamptz NOT NULL,
            receive_time    timestamptz NOT NULL,
            epoch           bigint      NOT NULL,
            ordinal         bigint      NOT NULL,
            partition       smallint    NOT NULL,
            ts_rest_ns      smallint    NOT NULL,
            receive_rest_ns smallint    NOT NULL,
            flags           smallint    NOT NULL,
            action          smallint    NOT NULL,
            time_resolution smallint    NOT NULL,
            symbol          text        NOT NULL,
            source          text        NOT NULL,
            provider        text        NOT NULL,
            exchange        text        NOT NULL,
            conditions      text        NOT NULL,
            of_source       text        NOT NULL,
            provider_id     numeric     NOT NULL,
            price           numeric,
            size            numeric) %s',
        CASE WHEN is_hypertable THEN '' ELSE 'PARTITION BY RANGE (ts)' END);
    EXECUTE format('CREATE TABLE quote_rows (
            ts              timestamptz NOT NULL,
            receive_time    timestamptz NOT NULL,
            epoch           bigint      NOT NULL,
            ordinal         bigint      NOT NULL,
            partition       smallint    NOT NULL,
            ts_rest_ns      smallint    NOT NULL,
            receive_rest_ns smallint    NOT NULL,
            flags           smallint    NOT NULL,
            time_resolution smallint    NOT NULL,
            symbol          text        NOT NULL,
            source          text        NOT NULL,
            provider        text        NOT NULL,
            bid_exchange    text        NOT NULL,
            ask_exchange    text        NOT NULL,
            of_source       text        NOT NULL,
            provider_id     numeric     NOT NULL,
            bid_price       numeric,
            bid_size        numeric,
            ask_price       numeric,
            ask_size        numeric) %s',
        CASE WHEN is_hypertable THEN '' ELSE 'PARTITION BY RANGE (ts)' END);
    COMMENT ON TABLE trade_rows IS 'the rows of the view trades';
    COMMENT ON TABLE quote_rows IS 'the rows of the view quotes';
    FOR cut IN SELECT * FROM unnest(ARRAY['trade_rows', 'quote_rows']) AS t (name) LOOP
        EXECUTE format('CREATE INDEX %I ON %I (symbol, ts)', cut.name || '_symbol_ts', cut.name);
        EXECUTE format('COMMENT ON COLUMN %I.ts_rest_ns IS
            ''nanoseconds after ts; -1: ts is not known''', cut.name);
        EXECUTE format('COMMENT ON COLUMN %I.receive_rest_ns IS
            ''nanoseconds after receive_time; -1: receive_time is not known''', cut.name);
        EXECUTE format('COMMENT ON COLUMN %I.flags IS ''16 bits, as a signed number''', cut.name);
        EXECUTE format('COMMENT ON COLUMN %I.time_resolution IS
            ''-1 minus it where the provider gave no time''', cut.name);
        EXECUTE format('COMMENT ON COLUMN %I.provider_id IS ''0: none''', cut.name);
        EXECUTE format('COMMENT ON COLUMN %I.of_source IS ''empty: none''', cut.name);
        IF is_hypertable THEN
            EXECUTE format('SELECT %I.create_hypertable(%L::regclass, ''ts'',
                chunk_time_interval => interval ''1 day'', create_default_indexes => false)',
                extension_schema, cut.name);
        ELSE
            -- Of ticks without a usable time, as in 0009.
            EXECUTE format('CREATE TABLE %I PARTITION OF %I
                FOR VALUES FROM (''1970-01-01 00:00+00'') TO (''1970-01-02 00:00+00'')',
                cut.name || '_p19700101', cut.name);
            -- Writers that work meanwhile find their days, also those that they have had made in the
            -- old table: they ask for no day twice. make_coming_partitions makes the others.
            FOR n IN CASE WHEN has_ticks THEN -30 ELSE -1 END..CASE WHEN has_ticks THEN 7 ELSE 1 END
            LOOP
                day := date_trunc('day', now(), 'UTC') + n * interval '24 hours';
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    cut.name || to_char(day AT TIME ZONE 'UTC', '"_p"YYYYMMDD'), cut.name, day,
                    day + interval '24 hours');
            END LOOP;
        END IF;
    END LOOP;

    FOR n IN 1..120 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            -- In the order in which the writers lock them.
            LOCK TABLE ONLY trades IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE ONLY quotes IN ACCESS EXCLUSIVE MODE;
            ALTER TABLE trades RENAME TO trades_before;
            ALTER TABLE quotes RENAME TO quotes_before;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF n = 120 THEN
                RAISE EXCEPTION 'the tables trades and quotes are in use all the time'
                    USING ERRCODE = '55P03', HINT = 'End long queries, and migrate again.';
            END IF;
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
    PERFORM make_tick_views();
    COMMENT ON VIEW trades IS 'one row per trade, correction or cancellation on the tape';
    COMMENT ON VIEW quotes IS 'one row per change of the best bid and offer on the tape';
    FOR cut IN
        SELECT p.view_name, a.attname, col_description(a.attrelid, a.attnum) AS said
        FROM (VALUES ('trades', 'trades_before'), ('quotes', 'quotes_before'))
            AS p (view_name, before_name)
        JOIN pg_attribute a ON a.attrelid = p.before_name::regclass AND a.attnum > 0
        WHERE col_description(a.attrelid, a.attnum) IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', cut.view_name, cut.attname, cut.said);
    END LOOP;
    -- Who could read or fill the table can do so by the view.
    FOR cut IN
        SELECT p.view_name, r.privilege_type, r.is_grantable,
            CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END AS grantee
        FROM (VALUES ('trades', 'trades_before'), ('quotes', 'quotes_before'))
            AS p (view_name, before_name)
        JOIN pg_class c ON c.oid = p.before_name::regclass
        CROSS JOIN LATERAL aclexplode(c.relacl) r
        WHERE r.privilege_type IN ('SELECT', 'INSERT') AND r.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON %I TO %s %s', cut.privilege_type, cut.view_name, cut.grantee,
            CASE WHEN cut.is_grantable THEN 'WITH GRANT OPTION' ELSE '' END);
        -- The trigger stores with the rights of whoever inserts.
        IF cut.privilege_type = 'INSERT' THEN
            EXECUTE format('GRANT INSERT ON %I TO %s',
                CASE cut.view_name WHEN 'trades' THEN 'trade_rows' ELSE 'quote_rows' END,
                cut.grantee);
        END IF;
    END LOOP;
    FOR cut IN SELECT * FROM (VALUES ('trades_before'), ('quotes_before')) AS t (name) LOOP
        EXECUTE format('COMMENT ON TABLE %I IS ''rows of an earlier release''', cut.name);
    END LOOP;
END
$$;
