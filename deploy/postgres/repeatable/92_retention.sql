-- The least time that the rows of each table are kept, whatever the runtime role requests. The
-- migrator's setting `tapeline.retention` is a JSON object of days by table, from WRITER_RETENTION.
-- Tables that it does not name are kept for ever. If the setting is missing, nothing changes.
DO $$
DECLARE
    wanted jsonb := nullif(current_setting('tapeline.retention', true), '')::jsonb;
BEGIN
    IF wanted IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM retention_least WHERE NOT wanted ? table_name;
    INSERT INTO retention_least AS r (table_name, least_kept)
    SELECT key, make_interval(days => value::integer) FROM jsonb_each_text(wanted)
    ON CONFLICT (table_name) DO UPDATE SET least_kept = excluded.least_kept
    WHERE r.least_kept <> excluded.least_kept;
END
$$;
