-- People cancel, correct and restore single trades, each named by its address on the tape: source,
-- partition and ordinal. These records are few and small, and a trade's state depends on them for as
-- long as the trade is stored. So their table is not partitioned by time, and retention drops none. After
-- a way back to an earlier release (docs/upgrade.md) the table is still there.
CREATE TABLE IF NOT EXISTS trade_changes (
    ts              timestamptz NOT NULL,
    event_time_ns   bigint      NOT NULL,
    symbol          text        NOT NULL,
    of_source       text        NOT NULL,
    of_ordinal      bigint      NOT NULL,
    change          text        NOT NULL,
    price           numeric,
    size            numeric,
    requester       text        NOT NULL,
    note            text        NOT NULL,
    flags           integer     NOT NULL DEFAULT 0,
    provider        text        NOT NULL DEFAULT '',
    provider_id     numeric,
    provider_time   timestamptz,
    time_resolution smallint    NOT NULL DEFAULT 0,
    receive_time    timestamptz NOT NULL,
    receive_time_ns bigint      NOT NULL,
    source          text        NOT NULL,
    partition       integer     NOT NULL,
    epoch           bigint      NOT NULL,
    ordinal         bigint      NOT NULL
);

CREATE INDEX IF NOT EXISTS trade_changes_of ON trade_changes (of_source, partition, of_ordinal);

COMMENT ON TABLE trade_changes IS
    'what people did to single trades; the last record about a trade counts, before its provider''s';
COMMENT ON COLUMN trade_changes.ts IS 'event time of the trade';
COMMENT ON COLUMN trade_changes.of_source IS
    'with partition and of_ordinal the trade''s address; source and ordinal are those of this record';
COMMENT ON COLUMN trade_changes.change IS 'cancel, correct or restore';
COMMENT ON COLUMN trade_changes.price IS 'with size the new values of a correction; NULL for others';
COMMENT ON COLUMN trade_changes.requester IS 'who asked for it: user@host';
COMMENT ON COLUMN trade_changes.receive_time IS 'when it was asked for';
