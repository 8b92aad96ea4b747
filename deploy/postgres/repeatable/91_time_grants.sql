-- The runtime role may have partitions made and dropped, by the functions alone. The role is named
-- as in 90_grants.sql.
DO $$
DECLARE
    runtime_role text := nullif(current_setting('tapeline.runtime_role', true), '');
BEGIN
    REVOKE ALL ON FUNCTION time_tables(), timescale_schema(), store_mode(), store_sizes(), rows_of(text), known_as(text),
        time_partitions(text), may_have_partition(timestamptz), missing_partitions(text, bigint[]),
        is_retired(text, timestamptz, timestamptz), make_time_partition(text, timestamptz), make_coming_partitions(integer),
        note_retired(text, text, timestamptz), drop_stretches(), drop_losses(text, timestamptz), kept_for(text[]), retention_days(text, text),
        try_to_drop(regclass, regclass), time_chunks(text), make_chunk(text, timestamptz),
        partition_span(text, timestamptz),
        drop_days_of_series(text, timestamptz, integer), tell_series_apart(text, regclass),
        apply_retention(text, interval, integer) FROM PUBLIC;
    IF runtime_role IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION time_tables(), timescale_schema(), store_mode(), store_sizes(), rows_of(text), known_as(text),
            time_partitions(text), may_have_partition(timestamptz),
            missing_partitions(text, bigint[]), time_chunks(text), retention_days(text, text),
            is_retired(text, timestamptz, timestamptz), make_time_partition(text, timestamptz),
            make_coming_partitions(integer), apply_retention(text, interval, integer) TO %I',
        runtime_role);
END
$$;
