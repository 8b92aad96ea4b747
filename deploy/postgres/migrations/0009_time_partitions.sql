-- Without TimescaleDB the tables of time become natively partitioned ones, a partition per day: a day
-- is made and dropped without touching the rows of others, and an index stays small enough to be in
-- memory. Hypertables stay as they are.
--
-- What a table holds stays in it: the old table becomes the one partition that spans its rows. No
-- default partition, on purpose: each day made later would have to search it for rows of its own,
-- under a lock that stops the writers.

-- What retention dropped. The books say what was written, for ever; the audit must know which of it
-- is no row any more on purpose.
CREATE TABLE retired_rows (
    table_name   text        NOT NULL,
    input        text        NOT NULL,
    source       text        NOT NULL,
    partition    integer     NOT NULL,
    rows         bigint      NOT NULL,
    replaced     bigint      NOT NULL DEFAULT 0,
    last_ordinal bigint      NOT NULL,
    until        timestamptz NOT NULL,
    received_until timestamptz,
    retired_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, input, source, partition)
);

COMMENT ON TABLE retired_rows IS 'what retention dropped, by table, input, source and partition';
COMMENT ON COLUMN retired_rows.input IS 'ticks or bars: of which stream the ordinals are';
COMMENT ON COLUMN retired_rows.rows IS 'rows dropped so far';
COMMENT ON COLUMN retired_rows.replaced IS 'of bars: the sum of that column of the dropped rows';
COMMENT ON COLUMN retired_rows.last_ordinal IS 'the highest one among the dropped rows';
COMMENT ON COLUMN retired_rows.until IS 'all rows before it are gone';
COMMENT ON COLUMN retired_rows.received_until IS
    'all rows without a time that were received before it are gone, too';

-- What the migrator lets the writers drop: they may ask for what is older, and for nothing else.
CREATE TABLE retention_least (
    table_name text     PRIMARY KEY,
    least_kept interval NOT NULL CHECK (least_kept >= interval '1 day')
);

COMMENT ON TABLE retention_least IS
    'how long the rows of a table are kept at least; of a table that is not named, for ever';

DO $$
DECLARE
    -- In the order in which a writer's transaction takes them: see SinkCatalogue.
    ordered CONSTANT text[] := ARRAY['trades', 'quotes', 'depth', 'options', 'news', 'fundamentals',
        'indicators', 'provider_bars', 'events', 'bars', 'late_ticks'];
    -- Those of 20_views.sql, which makes them again after this.
    own_views CONSTANT text[] := ARRAY['sink_audit', 'stored_ordinals', 'stored_ticks',
        'fundamental_documents'];
    hypertables   text[] := '{}';
    own           regclass[];
    foreign_views text;
    old           record;
    part          record;
    old_name      text;
    definitions   text[];
    first_ts      timestamptz;
    last_ts       timestamptz;
BEGIN
    IF to_regclass('timescaledb_information.hypertables') IS NOT NULL THEN
        EXECUTE 'SELECT coalesce(array_agg(hypertable_name::text), ''{}'')
            FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema()'
            INTO hypertables;
    END IF;
    CREATE TEMPORARY TABLE whole_tables ON COMMIT DROP AS
    SELECT c.oid, c.relname::text AS name, c.relacl, obj_description(c.oid, 'pg_class') AS comment,
        array_position(ordered, c.relname::text) AS place
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
        AND c.relname = ANY (ordered) AND NOT c.relname::text = ANY (hypertables);

    -- Nobody writes meanwhile. All of them before anything is done to one, in the order of the
    -- writers, and at once as strongly as it will be needed: so a writer at work cannot deadlock with
    -- this.
    FOR old IN SELECT * FROM whole_tables ORDER BY place LOOP
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', old.name);
    END LOOP;

    -- A view goes on reading the table that it was made for, and would miss every new row in silence:
    -- ours are dropped here, somebody else's are his to drop.
    WITH RECURSIVE readers AS (
        SELECT r.ev_class AS oid
        FROM whole_tables t
        JOIN pg_depend d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        UNION
        SELECT r.ev_class
        FROM readers t
        JOIN pg_depend d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    ), known AS (
        SELECT v.oid, v.relkind = 'v' AND v.relname = ANY (own_views)
            AND v.relnamespace = current_schema()::regnamespace AS is_own
        FROM readers JOIN pg_class v USING (oid)
    )
    SELECT array_agg(oid::regclass) FILTER (WHERE is_own),
        string_agg(oid::regclass::text, ', ') FILTER (WHERE NOT is_own)
    INTO own, foreign_views
    FROM known;
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION 'views of others read tables that are made anew: %', foreign_views
            USING ERRCODE = '2BP01', HINT = 'Drop them, migrate, and make them again.';
    END IF;
    -- In one statement: they read one another.
    IF own IS NOT NULL THEN
        EXECUTE 'DROP VIEW ' || array_to_string(own, ', ');
    END IF;

    FOR old IN SELECT * FROM whole_tables ORDER BY place LOOP
        -- Indexes and keys come back under their names; the old ones are attached to them.
        definitions := ARRAY(
            SELECT coalesce(
                (SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', old.name, k.conname,
                        pg_get_constraintdef(k.oid))
                    FROM pg_constraint k
                    WHERE k.conrelid = old.oid AND k.conindid = i.indexrelid
                        AND k.contype IN ('p', 'u')),
                pg_get_indexdef(i.indexrelid))
            FROM pg_index i WHERE i.indrelid = old.oid ORDER BY i.indexrelid);
        old_name := old.name || '_before_partitions';
        FOR part IN SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = old.oid
        LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', part.relname,
                left(part.relname, 45) || '_before_partitions');
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', old.name, old_name);
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES)
            PARTITION BY RANGE (ts)', old.name, old_name);
        FOR n IN 1..cardinality(definitions) LOOP
            EXECUTE definitions[n];
        END LOOP;
        EXECUTE format('COMMENT ON TABLE %I IS %L', old.name, old.comment);
        FOR part IN SELECT * FROM aclexplode(old.relacl) WHERE grantee <> current_user::regrole LOOP
            EXECUTE format('GRANT %s ON %I TO %s', part.privilege_type, old.name,
                CASE part.grantee WHEN 0 THEN 'PUBLIC' ELSE part.grantee::regrole::text END
                    || CASE WHEN part.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;

        EXECUTE format('SELECT min(ts), max(ts) FROM %I', old_name) INTO first_ts, last_ts;
        IF NOT (isfinite(first_ts) AND isfinite(last_ts)) THEN
            RAISE EXCEPTION '% holds rows with an infinite time, which no partition takes', old.name
                USING ERRCODE = '22008', HINT = format('Look at them: SELECT * FROM %I.%I WHERE NOT '
                    'isfinite(ts). Correct or delete them, and migrate again.', current_schema(),
                    old.name);
        END IF;
        IF first_ts < '1970-01-01 00:00+00' OR last_ts > now() + interval '2 years' THEN
            RAISE WARNING '% holds rows from % to %: all times between them share the one partition '
                '%, and no retention drops it', old.name, first_ts, last_ts, old_name
                USING HINT = 'Correct or delete such rows before the migration.';
        END IF;
        -- Ticks without a usable time stand at the beginning of 1970: a day of their own, or the one
        -- partition would span half a century. Where there are earlier rows it does so anyway.
        IF coalesce(first_ts >= '1970-01-01 00:00+00', true) THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', old.name || '_p19700101',
                old.name);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I
                FOR VALUES FROM (''1970-01-01 00:00+00'') TO (''1970-01-02 00:00+00'')', old.name,
                old.name || '_p19700101');
            EXECUTE format('WITH moved AS (DELETE FROM %I WHERE ts < ''1970-01-02 00:00+00''
                RETURNING *)
                INSERT INTO %I SELECT * FROM moved', old_name, old.name);
            EXECUTE format('SELECT min(ts) FROM %I', old_name) INTO first_ts;
        END IF;
        IF first_ts IS NULL THEN
            EXECUTE format('DROP TABLE %I', old_name);
        ELSE
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                old.name, old_name, date_trunc('day', first_ts, 'UTC'),
                date_trunc('day', last_ts, 'UTC') + interval '24 hours');
        END IF;
    END LOOP;
END
$$;
