-- Of a made-up second release: a column that its writers would fill, and those of the first need not.
ALTER TABLE trade_rows ADD COLUMN venue text NOT NULL DEFAULT '';

COMMENT ON COLUMN trade_rows.venue IS 'where it was made; empty: not said';
