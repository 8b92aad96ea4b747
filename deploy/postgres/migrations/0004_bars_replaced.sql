-- A partition that is rebuilt publishes bars again, and the later version takes the row. How often
-- that was is kept in the row: the audit counts every bar that came from the tape, not rows alone.
ALTER TABLE bars ADD COLUMN replaced bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN bars.replaced IS 'earlier versions of this bar whose place the row took';
