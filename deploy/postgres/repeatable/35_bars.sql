-- Bars: the view on their two tables, and which table a series is in.

-- All bars that a later one did not replace. known_at is the latest of three times of a version: its
-- window's end, when the operator sent it, and when the tape took it. These are of three clocks, so one of
-- them that is behind makes no version known too early. It is computed here, so that the three stay apart.
CREATE OR REPLACE VIEW bars AS
SELECT symbol, series, ts, number, open, high, low, close, volume, vwap, notional, trades, excluded,
    excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined, open_time_ns,
    close_time, close_time_ns, generation, revision, reason, partial, mixed_providers, source,
    partition, ordinal, replaced, withdrawn, filled, lateness_ns, sent_at, taken_at,
    CASE WHEN taken_at IS NOT NULL THEN greatest(taken_at, close_time, sent_at) END AS known_at
FROM bars_short
UNION ALL
SELECT symbol, series, ts, number, open, high, low, close, volume, vwap, notional, trades, excluded,
    excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined, open_time_ns,
    close_time, close_time_ns, generation, revision, reason, partial, mixed_providers, source,
    partition, ordinal, replaced, withdrawn, filled, lateness_ns, sent_at, taken_at,
    CASE WHEN taken_at IS NOT NULL THEN greatest(taken_at, close_time, sent_at) END
FROM bars_long;

COMMENT ON VIEW bars IS 'the latest version of each bar, of all series';

-- The versions that a later one replaced, with the time at which each was known.
CREATE OR REPLACE VIEW replaced_bars AS
SELECT *, CASE WHEN taken_at IS NOT NULL THEN greatest(taken_at, close_time, sent_at) END AS known_at
FROM bar_versions;

-- For audits: the rows themselves, without their values.
CREATE OR REPLACE VIEW stored_bars AS
SELECT symbol, series, ts, source, partition, ordinal, replaced FROM bars_short
UNION ALL
SELECT symbol, series, ts, source, partition, ordinal, replaced FROM bars_long;

-- Bars that stand: without those that are void and that nothing replaces.
CREATE OR REPLACE VIEW bars_standing AS SELECT * FROM bars WHERE NOT withdrawn;

-- Notes series of bars, and returns in which table each is. What was decided first stays: a series
-- whose width was changed later has its rows in one table nevertheless.
CREATE OR REPLACE FUNCTION note_series(p_series text[], p_are_long boolean[])
RETURNS TABLE (series text, is_long boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
    -- In one order, so that two callers do not wait for each other in a circle.
    INSERT INTO bar_series (series, is_long)
    SELECT w.series, w.is_long FROM unnest(p_series, p_are_long) AS w (series, is_long)
    ORDER BY w.series
    ON CONFLICT (series) DO NOTHING;
    RETURN QUERY SELECT s.series, s.is_long FROM bar_series s WHERE s.series = ANY (p_series);
END
$$;
