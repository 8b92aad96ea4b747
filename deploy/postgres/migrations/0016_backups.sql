-- The last backups that succeeded, as the programs that made them note it with note_backup. Writers
-- show their age. A restored database has the row of the backup before its own.
CREATE TABLE IF NOT EXISTS backups (
    kind text PRIMARY KEY CHECK (kind IN ('base', 'log', 'dump', 'tape')),
    finished_at timestamptz NOT NULL,
    bytes bigint CHECK (bytes >= 0),
    detail text NOT NULL DEFAULT '' CHECK (length(detail) <= 500)
);

COMMENT ON TABLE backups IS 'When the last backup of each kind succeeded';
COMMENT ON COLUMN backups.kind IS
    'base: all of the database; log: its WAL until that time; dump: pg_dump; tape: what only NATS has';
COMMENT ON COLUMN backups.finished_at IS 'What was committed before is in the backup';
COMMENT ON COLUMN backups.bytes IS 'Its size; NULL when that is not known';
COMMENT ON COLUMN backups.detail IS 'Where it is, in the words of the program that made it';
