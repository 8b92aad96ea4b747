-- What the writer's queue had no room for, when its policy is to drop: the ticks are counted as skipped,
-- so the equation holds without this row; it names the ordinals.
ALTER TABLE gaps
    DROP CONSTRAINT gaps_of_books,
    ADD CONSTRAINT gaps_of_books CHECK (ordinal IS NOT NULL OR (
        first_ordinal IS NOT NULL AND last_ordinal IS NOT NULL
        AND reason IN ('tape_lost', 'given_twice', 'hole', 'dropped')));

COMMENT ON COLUMN gaps.reason IS
    'of the books: tape_lost: destroyed, and a person accepted it; hole: missing on the tape between '
    'two packets that were read; given_twice: came again under stored ordinals, and was left out; '
    'dropped: the writer''s queue had no room, and its policy is to drop: counted as skipped. '
    'Of the tape: disconnected, gateway_lost, provider_loss, dropped, tape_lost, maintenance, ...';
