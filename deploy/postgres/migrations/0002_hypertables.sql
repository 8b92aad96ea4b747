-- With TimescaleDB the tables by time are hypertables of one chunk per day; without it they stay
-- plain tables and hold the same data. The extension is asked for its own schema, which need not be
-- on search_path. Only functions of its Apache edition are used.
DO $$
DECLARE
    extension_schema name;
    table_name       text;
BEGIN
    SELECT n.nspname INTO extension_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    IF extension_schema IS NULL THEN
        RAISE NOTICE 'TimescaleDB is not installed in this database: plain tables';
        RETURN;
    END IF;
    FOREACH table_name IN ARRAY ARRAY['trades', 'quotes', 'bars'] LOOP
        -- No index on ts alone, which it would add: another one to maintain per row, and the
        -- chunks' borders already say where a time is.
        EXECUTE format(
            'SELECT %I.create_hypertable(%L::regclass, ''ts'',
                chunk_time_interval => interval ''1 day'', create_default_indexes => false)',
            extension_schema, table_name);
    END LOOP;
END
$$;
