-- Every version of a bar is a row. bars_short and bars_long have the version that stands. The statement
-- that replaces it also moves it to bar_versions: a trigger does that, so no writer of bars can forget
-- it. The trigger costs nothing for a bar that comes for the first time.
--
-- Each version says when the tape took it (taken_at). What was called known_at is the time at which the
-- operator sent the packet. A packet may reach the tape much later than that, so nobody knew the bar at
-- that time. The column is called sent_at from now on. In the view `bars`, known_at is taken_at. Rows of
-- before have no taken_at: it is only known that they were on the tape before kept_since of
-- version_books.
--
-- A writer of an earlier release cannot write bars any more: it is refused (column "known_at" does not
-- exist), and the tape keeps its rows until a writer of this release takes over.
--
-- Locks: columns and triggers need the tables of bars, and then the positions, for a moment, in the
-- order in which the writers lock them. The migration waits for each at most half a second at a time,
-- so no session queues after it for longer.

-- They return one more column, and are made again by 10_positions.sql.
DROP FUNCTION IF EXISTS claim_positions(text, jsonb, text);
DROP FUNCTION IF EXISTS claim_position(text, text, integer, bigint, text);

CREATE TABLE version_books (
    partition     integer     PRIMARY KEY,
    kept_since    timestamptz NOT NULL,
    after_ordinal bigint      NOT NULL
);

COMMENT ON TABLE version_books IS
    'partitions with bars from before versions were kept; of all others every version is kept';
COMMENT ON COLUMN version_books.kept_since IS 'what was stored before was on the tape by then';
COMMENT ON COLUMN version_books.after_ordinal IS
    'every version with a higher ordinal is kept; of the others the one that stood at that time';

CREATE TABLE version_losses (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition integer     NOT NULL,
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    reason    text        NOT NULL,
    noted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (from_at <= to_at)
);

COMMENT ON TABLE version_losses IS
    'stretches of the time of the tape whose bars may lack a version; only functions write it';
COMMENT ON COLUMN version_losses.reason IS
    'as in gaps, or set_aside: a dead letter, or written without the table of bars';

DO $$
DECLARE
    keys CONSTANT text := 'symbol, series, ts, number, source, revision';
    extension_schema name;
    is_hypertable    boolean := false;
    columns          text;
    name_of          text;
BEGIN
    SELECT n.nspname INTO extension_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'timescaledb';
    IF extension_schema IS NOT NULL THEN
        EXECUTE 'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
            WHERE hypertable_schema = current_schema() AND hypertable_name = ''bars_short'')'
            INTO is_hypertable;
    END IF;

    CREATE TABLE bar_versions_shape (LIKE bars_short INCLUDING DEFAULTS INCLUDING COMMENTS);
    ALTER TABLE bar_versions_shape RENAME COLUMN known_at TO sent_at;
    ALTER TABLE bar_versions_shape ADD COLUMN taken_at timestamptz;
    ALTER TABLE bar_versions_shape DROP COLUMN replaced;
    EXECUTE format('CREATE TABLE bar_versions
        (LIKE bar_versions_shape INCLUDING DEFAULTS INCLUDING COMMENTS) %s',
        CASE WHEN is_hypertable THEN '' ELSE 'PARTITION BY RANGE (ts)' END);
    DROP TABLE bar_versions_shape;
    EXECUTE format('ALTER TABLE bar_versions ADD PRIMARY KEY (%s)', keys);
    COMMENT ON TABLE bar_versions IS
        'versions of bars that a later one replaced; the tables of bars have the version that stands';
    IF is_hypertable THEN
        EXECUTE format('SELECT %I.create_hypertable(''bar_versions''::regclass, ''ts'',
            chunk_time_interval => interval ''7 days'', create_default_indexes => false)',
            extension_schema);
    END IF;

    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute
    WHERE attrelid = 'bar_versions'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('CREATE FUNCTION keep_bar_version() RETURNS trigger LANGUAGE plpgsql AS $keep$
        BEGIN
            INSERT INTO %I.bar_versions (%s) VALUES (%s)
            ON CONFLICT (%s) DO NOTHING;
            RETURN new;
        END $keep$', current_schema(), columns,
        (SELECT string_agg('old.' || name, ', ')
            FROM unnest(string_to_array(columns, ', ')) AS name), keys);

    FOR n IN 1..120 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            -- In the order in which the writers lock them.
            FOREACH name_of IN ARRAY ARRAY['bars_short', 'bars_long'] LOOP
                EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', name_of);
                EXECUTE format('ALTER TABLE %I RENAME COLUMN known_at TO sent_at', name_of);
                EXECUTE format('ALTER TABLE %I ADD COLUMN taken_at timestamptz', name_of);
                EXECUTE format('CREATE TRIGGER keep_version BEFORE UPDATE ON %I FOR EACH ROW
                    WHEN (new.revision > old.revision) EXECUTE FUNCTION keep_bar_version()',
                    name_of);
            END LOOP;
            LOCK TABLE sink_positions IN ACCESS EXCLUSIVE MODE;
            ALTER TABLE sink_positions ADD COLUMN tape_time_ns bigint;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF n = 120 THEN
                RAISE EXCEPTION
                    'the tables bars_short, bars_long and sink_positions are in use all the time'
                    USING ERRCODE = '55P03', HINT = 'End long queries, and migrate again.';
            END IF;
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
    COMMENT ON COLUMN sink_positions.tape_time_ns IS
        'the highest time at which the tape took a packet up to the position; NULL: not known';
    FOREACH name_of IN ARRAY ARRAY['bars_short', 'bars_long', 'bar_versions'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.sent_at IS
            ''when the operator sent this version; NULL: not known''', name_of);
        EXECUTE format('COMMENT ON COLUMN %I.taken_at IS
            ''when the tape took this version, never falling; NULL: not known''', name_of);
    END LOOP;

    -- From here on no writer of before stores a bar, so the books say which are from before.
    INSERT INTO version_books (partition, kept_since, after_ordinal)
    SELECT p.partition, clock_timestamp(),
        coalesce(max(o.last_ordinal) FILTER (WHERE o.source = 'operator'), 0)
    FROM sink_positions p LEFT JOIN sink_source_ordinals o USING (sink, input, partition)
    WHERE p.input = 'bars' AND p.sequence > 0
    GROUP BY p.partition;
    INSERT INTO version_losses (partition, from_at, to_at, reason)
    -- A gap that was extended keeps the time of its beginning, so its end is not known.
    SELECT partition, '-infinity'::timestamptz, clock_timestamp(), reason
    FROM gaps WHERE input = 'bars' AND ordinal IS NULL
    GROUP BY partition, reason
    UNION ALL
    SELECT partition, '-infinity'::timestamptz, clock_timestamp(), 'set_aside'
    FROM sink_source_ordinals WHERE input = 'bars'
    GROUP BY partition HAVING sum(dead_lettered - replayed) > 0;
END
$$;
