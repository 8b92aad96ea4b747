-- Where it cannot be said what was known at a time of ticks, values and gaps. The functions for people
-- are in 73_known.sql.

-- Returns why it cannot be said whether a record was known at some time: from p_from on by one clock, and
-- since p_known by another one, where these are further apart than the tape and its sender.
CREATE OR REPLACE FUNCTION why_uncertain(p_input text, p_partition integer, p_source text, p_ordinal bigint,
    p_from timestamptz DEFAULT NULL, p_known timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce((
        SELECT format(CASE WHEN EXISTS (SELECT FROM replayed_rows r WHERE (r.input, r.partition, r.source,
                r.ordinal) = (p_input, p_partition, p_source, p_ordinal))
            THEN 'it was a dead letter from %s to %s' ELSE 'clocks disagree from %s to %s' END,
            least(k.sooner_at, p_from), greatest(k.taken_at, p_known))
        FROM taken_at(p_input, p_partition, p_source, p_ordinal) k
    ), format('it is not known when the tape took ordinal %s', p_ordinal))
$$;

-- Returns why it cannot be said which rows of a table of the tape's records were known at t, of these symbols
-- and names of values (NULL: all), and from from_ts up to to_ts, values with names by the ends of their
-- periods; NULL if it can:
--
-- - retention has dropped rows of that time.
-- - a loss: the tape took records that are not stored, and one of them may be of that time. A gap that
--   began before the end of the loss may reach into a later range: its end, which came after t, tells of it.
-- - the writer has stored the tape up to a time before t only. That matters also where the range begins
--   after t: a gap without an end reaches into it, and a venue's clock may be ahead.
-- - it is not known when the tape took one of the rows. Records of gaps outlive these times, so those that
--   were received before the oldest one that is kept count with their receipt.
-- - the clocks: by one of them a row was known at t, by another one over a second later. The times of the
--   tape and of the sender are those of a second, so each row may have had them a second before. The third
--   one is its receipt, or the end of its period.
CREATE OR REPLACE FUNCTION rows_as_of_doubt(
    t timestamptz, p_table text, p_symbols text[], p_names text[], from_ts timestamptz, to_ts timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    -- Which rows are of that time.
    range_of CONSTANT text := CASE p_table
        -- What ends before may be what closes a gap without an end.
        WHEN 'gaps' THEN 'r.ordinal IS NOT NULL AND r.from_time < $5'
        WHEN 'indicators' THEN CASE WHEN p_names IS NULL THEN 'r.ts >= $4 AND r.ts < $5' ELSE
            'r.name = ANY ($3) AND r.ts >= $4
            AND coalesce(r.period_end, r.ts) >= $4 AND coalesce(r.period_end, r.ts) < $5' END
        ELSE 'r.ts >= $4 AND r.ts < $5' END;
    -- When a row was known by all clocks.
    known_of CONSTANT text := CASE p_table
        WHEN 'indicators' THEN 'greatest(k.taken_at, r.receive_time, r.period_end)'
        ELSE 'greatest(k.taken_at, r.receive_time)' END;
    input_of CONSTANT text := CASE p_table WHEN 'indicators' THEN 'indicator_input(r.source)'
        ELSE '''ticks''' END;
    doubt    text;
BEGIN
    SELECT format('%s before %s are not stored any more: ask for later ones', p_table, max(r.until))
    INTO doubt FROM retired_rows r WHERE r.table_name = p_table
    HAVING max(r.until) > from_ts;
    IF doubt IS NOT NULL THEN
        RETURN doubt;
    END IF;
    -- A symbol without a row in the range may be of any partition.
    EXECUTE format($sql$
        SELECT d.why
        FROM (
            SELECT l.input, l.partition, l.to_at AS at, format('what the tape took from %%s to %%s of '
                    'partition %%s is not all stored: %%s', l.from_at, l.to_at, l.partition, l.reason) AS why
            FROM version_losses l
            WHERE l.from_at <= $1 AND l.to_at > $4
            UNION ALL
            SELECT l.input, l.partition, l.to_at, format('a gap of %%s from %%s may have been known, as not '
                    'all is stored that the tape took from %%s to %%s of partition %%s: %%s',
                    coalesce(g.symbol, 'all symbols'), g.from_time, l.from_at, l.to_at, l.partition, l.reason)
            FROM version_losses l JOIN gaps g ON g.partition = l.partition AND g.from_time < l.to_at
            CROSS JOIN LATERAL taken_at('ticks', g.partition, g.source, g.ordinal) k
            WHERE %4$L AND l.input = 'ticks' AND l.from_at <= $1 AND g.ordinal IS NOT NULL
                AND g.from_time < $5 AND (g.to_time IS NULL OR g.to_time > $4)
                AND ($2 IS NULL OR g.symbol IS NULL OR g.symbol = ANY ($2))
                AND greatest(k.taken_at, g.receive_time) > $1
                AND NOT EXISTS (
                    SELECT FROM gaps e
                    CROSS JOIN LATERAL taken_at('ticks', e.partition, e.source, e.ordinal) o
                    WHERE (e.source, e.kind, e.from_time) = (g.source, g.kind, g.from_time)
                        -- A gap of a whole partition has no symbol. Its own plan: looked up by the index.
                        AND (e.symbol = g.symbol OR e.symbol IS NULL AND g.symbol IS NULL)
                        AND e.ordinal IS NOT NULL AND greatest(o.taken_at, e.receive_time) <= $1
                    OFFSET 0)
            UNION ALL
            SELECT i.input, r.partition, r.reached_at,
                format('the database has the tape of partition %%s up to %%s only', r.partition,
                    r.reached_at)
            FROM (VALUES ('ticks'), ('bars')) AS i (input), tape_reached(i.input, $1) r
        ) AS d
        WHERE d.input IN ('ticks', %3$L) AND $4 < $5 AND ($2 IS NULL OR EXISTS (
            SELECT FROM unnest($2) AS w (symbol)
            WHERE d.partition = coalesce((SELECT r.partition FROM %1$I r
                WHERE r.symbol = w.symbol AND %2$s LIMIT 1), d.partition)))
        ORDER BY d.at DESC LIMIT 1 $sql$,
        p_table, range_of, CASE p_table WHEN 'indicators' THEN 'bars' ELSE 'ticks' END, p_table = 'gaps')
    INTO doubt USING t, p_symbols, p_names, from_ts, to_ts;
    IF doubt IS NOT NULL THEN
        RETURN doubt;
    END IF;
    EXECUTE format($sql$
        SELECT format('what was known of the %1$s of %%s at %%s (source %%s) is not certain: %%s',
            coalesce(r.symbol, 'all symbols'), $1, r.source,
            why_uncertain(%3$s, r.partition, r.source, r.ordinal, $1, %4$s))
        FROM %1$I r
        LEFT JOIN LATERAL taken_at(%3$s, r.partition, r.source, r.ordinal) k ON true
        WHERE %2$s AND ($2 IS NULL OR r.symbol IS NULL OR r.symbol = ANY ($2))
            AND (k.taken_at IS NULL AND r.receive_time <= $1 AND (%1$L <> 'gaps' OR r.receive_time >= (
                    SELECT s.taken_from FROM stored_stretches s
                    WHERE s.input = 'ticks' AND s.partition = r.partition AND s.source = r.source
                    ORDER BY s.first_ordinal LIMIT 1))
                OR k.sooner_at - interval '1 s' <= $1 AND $1 < %4$s
                    AND %4$s - k.sooner_at > interval '1 s')
        LIMIT 1 $sql$, p_table, range_of, input_of, known_of)
    INTO doubt USING t, p_symbols, p_names, from_ts, to_ts;
    RETURN doubt;
END
$$;

-- Returns why it cannot be said which changes of trades were known at t, of trades of these symbols from
-- from_ts up to to_ts; NULL if it can. A change has the time of its trade, or any other one.
CREATE OR REPLACE FUNCTION changes_as_of_doubt(
    t timestamptz, p_symbols text[], from_ts timestamptz, to_ts timestamptz)
RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT format('what was known of a change of %s/%s/%s (%s) at %s is not certain: %s', d.of_source,
        d.partition, d.of_ordinal, d.symbol, t,
        why_uncertain('ticks', d.partition, d.source, d.ordinal, t,
            greatest(k.taken_at, d.receive_time)))
    FROM (
        SELECT r.symbol, r.source AS of_source, r.ordinal AS of_ordinal, c.source, c.partition, c.ordinal,
            c.receive_time
        FROM trades r CROSS JOIN LATERAL (
            -- Its own plan: looked up by the index, however many there are.
            SELECT c.source, c.partition, c.ordinal, c.receive_time FROM changes_by_id c
            WHERE (c.symbol, c.provider_id) = (r.symbol, r.provider_id) OFFSET 0) AS c
        WHERE r.symbol = ANY (p_symbols) AND r.ts >= from_ts AND r.ts < to_ts AND r.action = 0
        UNION ALL
        SELECT c.symbol, c.of_source, c.of_ordinal, c.source, c.partition, c.ordinal, c.receive_time
        FROM trade_changes c
        WHERE c.symbol = ANY (p_symbols) AND c.ts >= from_ts AND c.ts < to_ts
    ) AS d
    LEFT JOIN LATERAL taken_at('ticks', d.partition, d.source, d.ordinal) k ON true
    WHERE k.taken_at IS NULL AND d.receive_time <= t
        OR k.sooner_at - interval '1 s' <= t AND t < greatest(k.taken_at, d.receive_time)
            AND greatest(k.taken_at, d.receive_time) - k.sooner_at > interval '1 s'
    LIMIT 1
$$;

-- Raises for a question of `p_asked` (bars_as_of and its like) that cannot be answered. The name of bars is
-- their series.
CREATE OR REPLACE FUNCTION check_as_of(
    p_asked text, t timestamptz, p_table text, p_symbols text[], p_names text[], from_ts timestamptz,
    to_ts timestamptz, with_uncertain boolean)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    doubt text;
BEGIN
    IF t IS NULL OR from_ts IS NULL OR to_ts IS NULL
        OR p_symbols IS NULL AND p_table IN ('bars', 'trades', 'quotes', 'trade_changes', 'trades_effective')
        OR p_names[1] IS NULL AND (p_table = 'bars' OR p_asked = 'indicators_as_of') THEN
        RAISE EXCEPTION '% needs a time, symbols of bars and ticks, the series of bars or names of values, '
            'and a range of times', p_asked USING ERRCODE = '22004';
    END IF;
    IF t > now() THEN
        RAISE EXCEPTION 'what will be known at % is not known yet', t USING ERRCODE = 'TL020';
    END IF;
    IF coalesce(with_uncertain, false) THEN
        RETURN;
    END IF;
    doubt := CASE p_table
        WHEN 'bars' THEN bars_as_of_doubt(t, p_symbols, p_names[1], from_ts, to_ts)
        WHEN 'trades_effective' THEN coalesce(
            rows_as_of_doubt(t, 'trades', p_symbols, NULL, from_ts, to_ts),
            changes_as_of_doubt(t, p_symbols, from_ts, to_ts))
        ELSE rows_as_of_doubt(t, p_table, p_symbols, p_names, from_ts, to_ts) END;
    IF doubt IS NOT NULL THEN
        RAISE EXCEPTION '%', doubt USING ERRCODE = 'TL020',
            HINT = 'Ask for uncertain rows, too: with_uncertain => true. Of bars it marks them.';
    END IF;
END
$$;
