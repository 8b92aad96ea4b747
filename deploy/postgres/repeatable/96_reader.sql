-- The role for research and dashboards, which may read everything and change nothing. A login role
-- gets these rights as a member of this one. The setting `tapeline.reader_role` names it, as in
-- 90_grants.sql. This file runs after all that makes tables and views.
DO $$
DECLARE
    reader_role text := nullif(current_setting('tapeline.reader_role', true), '');
BEGIN
    IF reader_role IS NULL THEN
        RETURN;
    END IF;
    PERFORM grant_reading(reader_role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION time_tables(), timescale_schema(), store_mode(),
        indicator_input(text), missing_step(tstzmultirange, tstzrange, boolean),
        missing_stretches(tstzrange, boolean), tape_time(bigint, boolean),
        taken_at(text, integer, text, bigint),
        tape_reached(text, timestamptz),
        owner_by_hand(text, timestamptz, text), trade_changes_at(timestamptz),
        trades_at(timestamptz), why_uncertain(text, integer, text, bigint, timestamptz, timestamptz),
        changes_as_of_doubt(timestamptz, text[], timestamptz, timestamptz),
        rows_as_of_doubt(timestamptz, text, text[], text[], timestamptz, timestamptz),
        check_as_of(text, timestamptz, text, text[], text[], timestamptz, timestamptz, boolean),
        replay_state(text, text, integer, text, bigint, text),
        is_retired(text, timestamptz, timestamptz), known_as(text),
        versions_as_of(timestamptz, text[], text, timestamptz, timestamptz),
        bars_as_of_doubt(timestamptz, text[], text, timestamptz, timestamptz) TO %I', reader_role);
END
$$;
