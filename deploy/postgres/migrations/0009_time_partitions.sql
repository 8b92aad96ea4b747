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
    retired_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (table_name, input, source, partition)
);

COMMENT ON TABLE retired_rows IS 'what retention dropped, by table, input, source and partition';
COMMENT ON COLUMN retired_rows.input IS 'ticks or bars: of which stream the ordinals are';
COMMENT ON COLUMN retired_rows.rows IS 'rows dropped so far';
COMMENT ON COLUMN retired_rows.replaced IS 'of bars: the sum of that column of the dropped rows';
COMMENT ON COLUMN retired_rows.last_ordinal IS 'the highest one among the dropped rows';
COMMENT ON COLUMN retired_rows.until IS 'all rows before it are gone';

DO $$
DECLARE
    hypertables   text[] := '{}';
    views         jsonb;
    foreign_views text;
    old           record;
    part          record;
    old_name      text;
    definitions   text[];
    from_day      timestamptz;
    to_day        timestamptz;
BEGIN
    IF to_regclass('timescaledb_information.hypertables') IS NOT NULL THEN
        EXECUTE 'SELECT coalesce(array_agg(hypertable_name::text), ''{}'')
            FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema()'
            INTO hypertables;
    END IF;
    CREATE TEMPORARY TABLE whole_tables ON COMMIT DROP AS
    SELECT c.oid, c.relname::text AS name, c.relacl, obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
        AND c.relname = ANY (ARRAY['trades', 'quotes', 'bars', 'depth', 'options', 'news',
            'fundamentals', 'indicators', 'provider_bars', 'events', 'late_ticks'])
        AND NOT c.relname::text = ANY (hypertables);

    -- A view goes on reading the table that it was made for, and would miss every new row in silence:
    -- ours are made again, somebody else's are his to drop.
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
    )
    SELECT jsonb_agg(jsonb_build_object('name', v.oid::regclass::text,
            'definition', pg_get_viewdef(v.oid)) ORDER BY v.oid),
        string_agg(v.oid::regclass::text, ', ') FILTER (WHERE v.relkind <> 'v'
            OR v.relowner <> current_user::regrole
            OR v.relnamespace <> current_schema()::regnamespace)
    INTO views, foreign_views
    FROM readers JOIN pg_class v USING (oid);
    IF foreign_views IS NOT NULL THEN
        RAISE EXCEPTION 'views of others read tables that are made anew: %', foreign_views
            USING ERRCODE = '2BP01', HINT = 'Drop them, migrate, and make them again.';
    END IF;
    FOR part IN SELECT v->>'name' AS name FROM jsonb_array_elements(views) v LOOP
        EXECUTE format('DROP VIEW IF EXISTS %s CASCADE', part.name);
    END LOOP;

    FOR old IN SELECT * FROM whole_tables ORDER BY name LOOP
        -- Nobody writes meanwhile.
        EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', old.name);
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

        -- Ticks without a usable time stand at the beginning of 1970: a day of their own, or the one
        -- partition would span half a century.
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', old.name || '_p19700101',
            old.name);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I
            FOR VALUES FROM (''1970-01-01 00:00+00'') TO (''1970-01-02 00:00+00'')', old.name,
            old.name || '_p19700101');
        EXECUTE format('WITH moved AS (DELETE FROM %I WHERE ts >= ''1970-01-01 00:00+00''
                AND ts < ''1970-01-02 00:00+00'' RETURNING *)
            INSERT INTO %I SELECT * FROM moved', old_name, old.name);
        EXECUTE format('SELECT date_trunc(''day'', min(ts), ''UTC''),
            date_trunc(''day'', max(ts), ''UTC'') + interval ''24 hours'' FROM %I', old_name)
            INTO from_day, to_day;
        IF from_day IS NULL THEN
            EXECUTE format('DROP TABLE %I', old_name);
        ELSE
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                old.name, old_name, from_day, to_day);
        END IF;
    END LOOP;
    FOR part IN SELECT v->>'name' AS name, v->>'definition' AS definition
        FROM jsonb_array_elements(views) WITH ORDINALITY AS listed(v, n) ORDER BY n
    LOOP
        EXECUTE format('CREATE VIEW %s AS %s', part.name, part.definition);
    END LOOP;
END
$$;
