-- What was set aside as a dead letter and stored later, by a person's hand (`tapeline dlq replay`). It
-- stays in `dead_lettered`: the equation of the books is about what became of an ordinal when it was
-- read; the rows are those that were written then, and those that were replayed.
ALTER TABLE sink_source_ordinals
    ADD COLUMN replayed bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT sink_source_ordinals_replayed CHECK (replayed BETWEEN 0 AND dead_lettered);

COMMENT ON COLUMN sink_source_ordinals.dead_lettered IS
    'ticks of which there is no row, because none could be made or the database refused it; each is '
    'in a dead letter';
COMMENT ON COLUMN sink_source_ordinals.replayed IS
    'of dead_lettered: stored later from their dead letters; only note_replayed changes it';
