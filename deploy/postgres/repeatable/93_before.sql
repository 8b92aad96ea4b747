-- Drops the tables of ticks of an earlier release (0014_narrow_ticks.sql) that are empty by now, unless
-- somebody else reads them. All views of ours read the new tables when this file comes.
DO $$
DECLARE
    cut      record;
    has_rows boolean;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    FOR cut IN SELECT * FROM (VALUES ('trades_before'), ('quotes_before')) AS t (name)
        WHERE to_regclass(t.name) IS NOT NULL
    LOOP
        BEGIN
            -- Before the lock, which would stay until the end of this file, and after it.
            EXECUTE format('SELECT EXISTS (SELECT FROM %I)', cut.name) INTO has_rows;
            CONTINUE WHEN has_rows;
            EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', cut.name);
            EXECUTE format('SELECT EXISTS (SELECT FROM %I)', cut.name) INTO has_rows;
            CONTINUE WHEN has_rows;
            EXECUTE format('ALTER TABLE %I RENAME TO %I', cut.name, cut.name || '_empty');
            PERFORM make_tick_views();
            EXECUTE format('DROP TABLE %I', cut.name || '_empty');
        EXCEPTION WHEN lock_not_available OR dependent_objects_still_exist THEN
            RAISE NOTICE '% is in use, and stays until the next migration', cut.name;
        END;
    END LOOP;
END
$$;
