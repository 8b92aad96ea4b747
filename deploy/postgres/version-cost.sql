-- What it costs to keep the versions of bars: microseconds per bar that is stored, and bytes, where 0, 1
-- and 50 % of the bars get a second version. `without` has no trigger.
--
--     psql -X -f deploy/postgres/version-cost.sql postgresql://…/a_database_without_load
--
-- The role owns the namespace of the setting `schema` (md), in whose tables it stores bars. All of it is
-- one transaction, which is rolled back. Batches have 1,000 bars, and the two ways take turns.

\ir namespace.sql
\pset footer off
BEGIN;
SET LOCAL search_path TO :"schema", pg_temp;
SET LOCAL client_min_messages = warning;
CREATE TEMPORARY TABLE said (way text, revised integer, us numeric, bar_bytes numeric, version_bytes numeric);
CREATE TEMPORARY TABLE coming AS SELECT * FROM bars_short WITH NO DATA;
INSERT INTO coming (symbol, series, ts, number, open, high, low, close, volume, vwap, notional, trades,
    excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined, open_time_ns,
    close_time, close_time_ns, generation, revision, reason, partial, mixed_providers, source,
    partition, ordinal, withdrawn, filled, lateness_ns, sent_at, taken_at, replaced)
SELECT 'S' || lpad((n % 500)::text, 3, '0'), '1s', at, 0, 231.25, 231.5, 231, 231.4, 1200, 231.301234567,
    277561.481, 31, 0, 0, 0, 0, 0, 1772461800000000000 + n, at + interval '1 s', 1772461801000000000 + n, 0,
    n, 'closed', false, false, 'ibkr', n % 32, n, false, false, 5000000000, at, at, 0
FROM generate_series(0, 39999) AS n,
    LATERAL (SELECT timestamptz '2026-03-02 14:30Z' + n / 500 * interval '1 s' AS at) AS w;
CREATE INDEX ON coming (ordinal);
SELECT make_time_partition('bars_short', '2026-03-02 14:30Z') \g /dev/null

DO $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = 'coming'::regclass AND attnum > 0 AND attname <> 'replaced');
    store   text := format('INSERT INTO bars_short AS bars (%1$s) SELECT %2$s FROM coming
        WHERE ordinal >= $1 AND ordinal < $1 + 1000 AND ordinal %% 100 < $2 ORDER BY ordinal
        ON CONFLICT (symbol, series, ts, number, source) DO UPDATE SET %3$s,
            replaced = bars.replaced + excluded.replaced + 1
        WHERE excluded.revision > bars.revision', columns,
        replace(columns, 'revision', 'revision + $3'),
        (SELECT string_agg(format('%1$s = excluded.%1$s', name), ', ')
            FROM unnest(string_to_array(columns, ', ')) AS name
            WHERE name NOT IN ('symbol', 'series', 'ts', 'number', 'source')));
    share   integer;
    way     text;
    began   timestamptz;
BEGIN
    FOR turn IN 1..5 LOOP
        FOREACH share IN ARRAY ARRAY[0, 1, 50] LOOP
            FOREACH way IN ARRAY ARRAY['without', 'with'] LOOP
                TRUNCATE bars_short, bar_versions;
                DROP TRIGGER IF EXISTS keep_version ON bars_short;
                IF way = 'with' THEN
                    CREATE TRIGGER keep_version BEFORE UPDATE ON bars_short FOR EACH ROW
                        WHEN (new.revision > old.revision) EXECUTE FUNCTION keep_bar_version();
                END IF;
                began := clock_timestamp();
                FOR batch IN 0..39 LOOP
                    EXECUTE store USING batch * 1000, 100, 0;
                END LOOP;
                FOR batch IN 0..CASE share WHEN 0 THEN -1 ELSE 39 END LOOP
                    EXECUTE store USING batch * 1000, share, 1000000;
                END LOOP;
                INSERT INTO said
                SELECT way, share,
                    extract(epoch FROM clock_timestamp() - began) * 1e6 / (40000 + share * 400),
                    max(bytes) FILTER (WHERE table_name = 'bars_short') / 40000.0,
                    CASE WHEN share > 0 THEN
                        max(bytes) FILTER (WHERE table_name = 'bar_versions') / (share * 400.0) END
                FROM store_sizes();
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;

SELECT way, revised || ' %' AS revised, round(min(us), 2) AS least_us_per_bar,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY us)::numeric, 2) AS median_us,
    round(min(bar_bytes)) AS bytes_per_bar, round(min(version_bytes)) AS bytes_per_version
FROM said GROUP BY said.revised, way ORDER BY said.revised, way DESC;
ROLLBACK;
