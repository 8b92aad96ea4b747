-- Makes the coming partitions of tables that are written, so that their rows find them.
SELECT make_coming_partitions(7);

-- Compression, which only TimescaleDB's Community edition has. A job of the server compresses each
-- chunk that is old enough. Later rows can still be stored in it, only more slowly. The age is the
-- migrator's setting `tapeline.compress_after`, an interval. '0' removes the jobs and keeps what is
-- compressed. If the setting is missing, nothing changes.
DO $$
DECLARE
    wanted   text := nullif(current_setting('tapeline.compress_after', true), '');
    hyper    name := timescale_schema();
    cut      record;
    segments text;
    orders   text;
BEGIN
    IF wanted IS NULL OR NOT EXISTS (SELECT FROM store_mode()
            WHERE (mode, license) = ('timescaledb', 'timescale')) THEN
        RETURN;
    END IF;
    FOR cut IN SELECT t.table_name FROM time_tables() t WHERE t.shape = 'hypertable' ORDER BY 1 LOOP
        CONTINUE WHEN wanted::interval > interval '0' AND EXISTS (
            SELECT FROM timescaledb_information.jobs j
            WHERE j.proc_name = 'policy_compression' AND j.hypertable_schema = current_schema()
                AND j.hypertable_name = cut.table_name
                AND (j.config->>'compress_after')::interval = wanted::interval);
        EXECUTE format('SELECT %I.remove_compression_policy(%L::regclass, if_exists => true)',
            hyper, cut.table_name);
        CONTINUE WHEN wanted::interval = interval '0';
        -- The rows of a symbol are together, in the order of time. A unique key must be within both
        -- column lists.
        SELECT string_agg(attname, ', ') FILTER (WHERE attname IN ('symbol', 'series', 'name')
                OR attname = 'source'
                    AND cut.table_name IN ('bars_short', 'bars_long', 'bar_versions')),
            'ts' || coalesce(', ' || max(attname) FILTER (WHERE attname = 'number'), '')
                || CASE cut.table_name WHEN 'bar_versions' THEN ', revision' ELSE '' END
        INTO segments, orders
        FROM pg_attribute
        WHERE attrelid = cut.table_name::regclass AND attnum > 0 AND NOT attisdropped;
        IF NOT EXISTS (SELECT FROM timescaledb_information.hypertables h
            WHERE h.hypertable_schema = current_schema() AND h.hypertable_name = cut.table_name
                AND h.compression_enabled) THEN
            EXECUTE format('ALTER TABLE %I SET (timescaledb.compress,
                timescaledb.compress_segmentby = %L, timescaledb.compress_orderby = %L)',
                cut.table_name, coalesce(segments, ''), orders);
        END IF;
        EXECUTE format('SELECT %I.add_compression_policy(%L::regclass, %L::interval)',
            hyper, cut.table_name, wanted);
    END LOOP;
END
$$;

-- Daily bars computed from the stored ones and kept up to date by the server (Community only). The
-- view is never a source of truth: its days are those of UTC, and it counts a bar with the revision
-- at the last refresh of the day. The operator's own day bars follow the exchange's sessions.
-- `tapeline.daily_bars` is true or false. If the setting is missing, nothing changes.
DO $$
DECLARE
    wanted text := nullif(current_setting('tapeline.daily_bars', true), '');
    hyper  name := timescale_schema();
BEGIN
    IF wanted IS NULL OR NOT EXISTS (SELECT FROM store_mode()
            WHERE (mode, license) = ('timescaledb', 'timescale')) THEN
        RETURN;
    END IF;
    IF NOT wanted::boolean THEN
        IF to_regclass('bars_daily') IS NOT NULL THEN
            DROP MATERIALIZED VIEW bars_daily;
        END IF;
        RETURN;
    END IF;
    IF to_regclass('bars_daily') IS NOT NULL THEN
        RETURN;
    END IF;
    -- The series of a minute is the finest one that covers the day without a gap. Bars without prices
    -- (withdrawn, or of trades that count for the volume alone) open and close no day.
    EXECUTE format($sql$
        CREATE MATERIALIZED VIEW bars_daily
        WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
        SELECT symbol, source, %1$I.time_bucket(interval '1 day', ts) AS ts,
            %1$I.first(open, ts) FILTER (WHERE open IS NOT NULL) AS open, max(high) AS high,
            min(low) AS low, %1$I.last(close, ts) FILTER (WHERE close IS NOT NULL) AS close,
            sum(volume) AS volume, sum(notional) AS notional, sum(trades) AS trades, count(*) AS bars,
            count(*) FILTER (WHERE partial) AS partial_bars
        FROM bars_short WHERE series = '1m' AND number = 0
        GROUP BY 1, 2, 3 WITH NO DATA $sql$, hyper);
    EXECUTE format('SELECT %I.add_continuous_aggregate_policy(''bars_daily'',
        start_offset => interval ''3 days'', end_offset => interval ''1 hour'',
        schedule_interval => interval ''1 hour'')', hyper);
    COMMENT ON VIEW bars_daily IS
        'days of UTC from the 1m bars of each source: a convenience, never a source of truth. A day with '
        'partial_bars lacks data; revisions older than three days are not in it';
    IF nullif(current_setting('tapeline.runtime_role', true), '') IS NOT NULL THEN
        EXECUTE format('GRANT SELECT ON bars_daily TO %I',
            current_setting('tapeline.runtime_role'));
    END IF;
END
$$;
