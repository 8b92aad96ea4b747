-- What became of ordinals when tape data were destroyed.

-- A tape that was put back may give ordinals out a second time. `last_ordinal` says how far the sink
-- has stored; the reader, though, has to follow the ordinals as the tape holds them.
ALTER TABLE sink_source_ordinals
    ADD COLUMN epoch        bigint NOT NULL DEFAULT 0,
    ADD COLUMN tape_ordinal bigint,
    ADD COLUMN given_twice  bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN sink_source_ordinals.epoch IS
    'of the source''s last packet that was read; 0: not known';
COMMENT ON COLUMN sink_source_ordinals.tape_ordinal IS
    'the source''s last ordinal on the tape at the position; below last_ordinal while the tape '
    'gives ordinals out again; NULL: last_ordinal';
COMMENT ON COLUMN sink_source_ordinals.given_twice IS
    'ticks under ordinals that were stored before: left out, named in gaps, not in the equation';

-- Each range of ordinals that is not accounted for by rows, and why. Only the functions write it.
CREATE TABLE gaps (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink          text        NOT NULL,
    input         text        NOT NULL,
    partition     integer     NOT NULL,
    source        text        NOT NULL,
    first_ordinal bigint      NOT NULL,
    last_ordinal  bigint      NOT NULL,
    reason        text        NOT NULL CHECK (reason IN ('tape_lost', 'given_twice', 'hole')),
    noted_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    detail        text        NOT NULL DEFAULT '',
    CHECK (first_ordinal <= last_ordinal)
);

CREATE INDEX gaps_place ON gaps (sink, input, partition, source, first_ordinal);

COMMENT ON TABLE gaps IS 'ordinals without rows: lost with the tape, or given out twice';
COMMENT ON COLUMN gaps.reason IS
    'tape_lost: destroyed, and a person accepted it; hole: missing on the tape between two packets '
    'that were read; given_twice: came again under stored ordinals, and was left out';
