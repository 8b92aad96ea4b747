-- What the tape says of missing data (its gap records: an outage of the provider, what a gateway could
-- not publish) becomes rows of `gaps`, beside what the books note of ordinals. The record has an ordinal
-- of its own, like any tick, and is in the equation as written.
ALTER TABLE gaps
    ALTER COLUMN first_ordinal DROP NOT NULL,
    ALTER COLUMN last_ordinal DROP NOT NULL,
    DROP CONSTRAINT gaps_reason_check,
    ADD COLUMN symbol             text,
    ADD COLUMN kind               text,
    ADD COLUMN from_time          timestamptz,
    ADD COLUMN from_time_ns       bigint,
    ADD COLUMN to_time            timestamptz,
    ADD COLUMN to_time_ns         bigint,
    ADD COLUMN state              text,
    ADD COLUMN lost_first_ordinal bigint,
    ADD COLUMN lost_last_ordinal  bigint,
    ADD COLUMN receive_time       timestamptz,
    ADD COLUMN epoch              bigint,
    ADD COLUMN ordinal            bigint;

-- A row is one of the two. Only one of the books takes ordinals out of the equation, and those are
-- written by functions alone: the runtime role may insert what the tape says, which has an ordinal.
ALTER TABLE gaps
    ADD CONSTRAINT gaps_of_books CHECK (ordinal IS NOT NULL OR (
        first_ordinal IS NOT NULL AND last_ordinal IS NOT NULL
        AND reason IN ('tape_lost', 'given_twice', 'hole'))),
    ADD CONSTRAINT gaps_of_tape CHECK (ordinal IS NULL OR (
        first_ordinal IS NULL AND last_ordinal IS NULL AND kind IS NOT NULL AND state IS NOT NULL
        AND epoch IS NOT NULL));

CREATE INDEX gaps_symbol_time ON gaps (symbol, from_time) WHERE ordinal IS NOT NULL;

COMMENT ON TABLE gaps IS
    'missing data: ordinals without rows (of the books), and what the tape says (with an ordinal)';
COMMENT ON COLUMN gaps.ordinal IS 'of the tape''s gap record; NULL: noted by the books';
COMMENT ON COLUMN gaps.reason IS
    'of the books: tape_lost: destroyed, and a person accepted it; hole: missing on the tape between '
    'two packets that were read; given_twice: came again under stored ordinals, and was left out. '
    'Of the tape: disconnected, gateway_lost, provider_loss, dropped, tape_lost, maintenance, ...';
COMMENT ON COLUMN gaps.symbol IS 'NULL: all symbols of the source in this partition';
COMMENT ON COLUMN gaps.kind IS 'any, trade, quote, ...';
COMMENT ON COLUMN gaps.from_time IS 'data of [from_time, to_time) are missing; NULL: not known';
COMMENT ON COLUMN gaps.to_time IS 'NULL while it lasts';
COMMENT ON COLUMN gaps.state IS 'open, filling, filled or abandoned';
COMMENT ON COLUMN gaps.lost_first_ordinal IS 'the ordinals that a tape_lost names';
