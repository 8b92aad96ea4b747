-- Notes a backup that succeeded. The time never goes back, so a late note of an older backup changes
-- nothing. A time in the future would hide that later backups fail, so it counts as now.
CREATE OR REPLACE FUNCTION note_backup(
    p_kind text, p_finished_at timestamptz DEFAULT clock_timestamp(), p_bytes bigint DEFAULT NULL,
    p_detail text DEFAULT ''
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
    INSERT INTO backups AS b (kind, finished_at, bytes, detail)
    VALUES (p_kind, least(p_finished_at, clock_timestamp()), p_bytes, left(p_detail, 500))
    ON CONFLICT (kind) DO UPDATE
    SET finished_at = excluded.finished_at, bytes = excluded.bytes, detail = excluded.detail
    WHERE excluded.finished_at > b.finished_at
$$;

-- Notes an export of what only NATS has. It is all that a writer's role may note, which the tool has:
-- so the table has no backup of the database that a writer made up.
CREATE OR REPLACE FUNCTION note_export(
    p_finished_at timestamptz, p_bytes bigint, p_detail text
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
    SELECT note_backup('tape', p_finished_at, p_bytes, p_detail)
$$;
