-- The rights of the services: they may insert and read rows, never change or drop a table, and
-- never move a position except by the functions. Ticks are never updated; bars are, when a higher
-- revision comes. The role's name comes from the setting `tapeline.runtime_role`, which the
-- migrator sets from its configuration. Without it nothing is granted. The role must exist.

-- Both schemas, as the tool uses the runtime role outside of a local stack. Not ON ALL TABLES: a
-- table of somebody else in the schema would stop the migration.
CREATE OR REPLACE FUNCTION grant_reading(role_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    schemas text[] := ARRAY[current_schema()::text, current_schema() || '_market'];
BEGIN
    EXECUTE (SELECT format('GRANT USAGE ON SCHEMA %s TO %I',
            string_agg(quote_ident(name_of), ', '), role_name)
        FROM unnest(schemas) AS name_of);
    EXECUTE (SELECT format('GRANT SELECT ON %s TO %I',
            string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid), role_name)
        FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (schemas) AND c.relkind IN ('r', 'p', 'v', 'm')
            AND pg_has_role(c.relowner, 'USAGE'));
END
$$;

DO $$
DECLARE
    runtime_role text := nullif(current_setting('tapeline.runtime_role', true), '');
BEGIN
    REVOKE ALL ON FUNCTION grant_reading(text),
        claim_position(text, text, integer, bigint, text, text[]),
        claim_positions(text, jsonb, text, text[]),
        advance_positions(text, jsonb), move_groups(text, jsonb),
        advance_group(text, text, jsonb), give_up_groups(text, text, integer, jsonb),
        give_up_apart(text, text, integer, jsonb), take_database(text),
        note_tables(text, text, integer, text[]), apart_before(text, text, integer, text, bigint),
        group_holes(text, text, integer, text, jsonb), group_tails(text, text, integer, text),
        accept_position(text, text, integer, jsonb, jsonb, jsonb, jsonb),
        note_gaps(text, text, integer, jsonb), note_lost_versions(jsonb), note_changes_by_id(jsonb),
        note_backup(text, timestamptz, bigint, text), note_export(timestamptz, bigint, text),
        tape_time(bigint, boolean), taken_at(text, integer, text, bigint),
        tape_reached(text, timestamptz),
        owner_by_hand(text, timestamptz, text), trade_changes_at(timestamptz),
        trades_at(timestamptz), why_uncertain(text, integer, text, bigint, timestamptz, timestamptz),
        changes_as_of_doubt(timestamptz, text[], timestamptz, timestamptz),
        rows_as_of_doubt(timestamptz, text, text[], text[], timestamptz, timestamptz),
        check_as_of(text, timestamptz, text, text[], text[], timestamptz, timestamptz, boolean),
        keep_bar_version(),
        versions_as_of(timestamptz, text[], text, timestamptz, timestamptz),
        bars_as_of_doubt(timestamptz, text[], text, timestamptz, timestamptz),
        replay_state(text, text, integer, text, bigint, text),
        begin_replay(text, text, integer, text, bigint, text),
        note_replayed(text, text, integer, text, bigint),
        fill_ordinals(text, text, integer, text, bigint, bigint, bigint, jsonb, jsonb, jsonb, text),
        fill_times(text, integer, text, bigint, bigint, jsonb, jsonb),
        indicator_input(text), missing_step(tstzmultirange, tstzrange, boolean),
        missing_stretches(tstzrange, boolean), store_trade(), store_quote(),
        note_series(text[], boolean[]) FROM PUBLIC;
    IF runtime_role IS NULL THEN
        RETURN;
    END IF;
    PERFORM grant_reading(runtime_role);
    EXECUTE format(
        'GRANT INSERT ON trades, quotes, trade_rows, quote_rows, depth, options, news,
            fundamentals, indicators, provider_bars, events, late_ticks, trade_changes,
            changes_by_id, bar_versions TO %I', runtime_role);
    -- Only the columns for the tape's own gap records, not those by which ordinals leave the books.
    EXECUTE format(
        'GRANT INSERT (sink, input, partition, source, reason, detail, symbol, kind, from_time,
            from_time_ns, to_time, to_time_ns, state, lost_first_ordinal, lost_last_ordinal,
            receive_time, epoch, ordinal) ON gaps TO %I', runtime_role);
    EXECUTE format('GRANT INSERT, UPDATE ON bars_short, bars_long TO %I', runtime_role);
    -- Who had it before has it no more.
    EXECUTE format('REVOKE EXECUTE ON FUNCTION note_backup(text, timestamptz, bigint, text) FROM %I',
        runtime_role);
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION indicator_input(text),
            note_export(timestamptz, bigint, text),
            tape_time(bigint, boolean), taken_at(text, integer, text, bigint),
            tape_reached(text, timestamptz),
            owner_by_hand(text, timestamptz, text), trade_changes_at(timestamptz),
            trades_at(timestamptz), why_uncertain(text, integer, text, bigint, timestamptz, timestamptz),
            changes_as_of_doubt(timestamptz, text[], timestamptz, timestamptz),
            rows_as_of_doubt(timestamptz, text, text[], text[], timestamptz, timestamptz),
            check_as_of(text, timestamptz, text, text[], text[], timestamptz, timestamptz, boolean),
            versions_as_of(timestamptz, text[], text, timestamptz, timestamptz),
            bars_as_of_doubt(timestamptz, text[], text, timestamptz, timestamptz),
            missing_step(tstzmultirange, tstzrange, boolean),
            missing_stretches(tstzrange, boolean),
            claim_position(text, text, integer, bigint, text, text[]),
            claim_positions(text, jsonb, text, text[]),
            advance_positions(text, jsonb), advance_group(text, text, jsonb),
            accept_position(text, text, integer, jsonb, jsonb, jsonb, jsonb),
            give_up_apart(text, text, integer, jsonb),
            replay_state(text, text, integer, text, bigint, text),
            begin_replay(text, text, integer, text, bigint, text),
            note_replayed(text, text, integer, text, bigint), note_changes_by_id(jsonb),
            fill_ordinals(text, text, integer, text, bigint, bigint, bigint, jsonb, jsonb, jsonb, text),
            note_series(text[], boolean[]) TO %I',
        runtime_role);
END
$$;
