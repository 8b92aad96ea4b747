-- What was known of ticks, values and gaps at a time of the past, for people: in the schema of
-- 70_market.sql.
--
-- A row was known from the time on at which the tape took it (known_at), and never before it was
-- received, nor a value before the end of its period. Values of operators have that end as their time
-- of receipt.

DO $market$
DECLARE
    market  name := current_schema() || '_market';
    comment text[];
    ticks   text;
BEGIN
    FOREACH ticks IN ARRAY ARRAY['trades', 'quotes'] LOOP
        EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.%2$I(
    t timestamptz, wanted_symbols text[], from_ts timestamptz, to_ts timestamptz,
    with_uncertain boolean DEFAULT false)
RETURNS SETOF %1$I.%3$I
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
BEGIN
    PERFORM check_as_of(%2$L, t, %3$L, wanted_symbols, NULL, from_ts, to_ts, with_uncertain);
    RETURN QUERY
    SELECT * FROM (
        -- Its own plan: known_at is looked up once.
        SELECT * FROM %1$I.%3$I r
        WHERE r.symbol = ANY (wanted_symbols) AND r.ts >= from_ts AND r.ts < to_ts OFFSET 0
    ) AS r
    WHERE coalesce(r.known_at, r.receive_time) <= t
    ORDER BY r.symbol, r.ts, r.event_time_ns, r.source%4$s;
END
$function$
$sql$, market, ticks || '_as_of', ticks, CASE ticks WHEN 'trades' THEN ', r.tick_id' ELSE '' END);
    END LOOP;

    -- Values of periods that end in [from_ts, to_ts). A later revision may have a later `ts`, of what
    -- a provider publishes, but none has an earlier one than the end of its period.
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.indicators_as_of(
    t timestamptz, wanted_names text[], wanted_symbols text[], from_ts timestamptz, to_ts timestamptz,
    with_uncertain boolean DEFAULT false)
RETURNS SETOF %1$I.indicators_latest
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM check_as_of('indicators_as_of', t, 'indicators', wanted_symbols, wanted_names, from_ts, to_ts,
        with_uncertain);
    RETURN QUERY
    SELECT name, symbol, of_source, period_start, period_end, value, unit, ts, revision, provider, source,
        known_at
    FROM (
        SELECT DISTINCT ON (name, symbol, of_source, source, period_start, period_start_ns,
            period_end_ns, CASE WHEN period_start IS NULL THEN ts END) *
        FROM (
            SELECT i.*, (SELECT greatest(k.taken_at, i.receive_time, i.period_end)
                FROM taken_at(indicator_input(i.source), i.partition, i.source, i.ordinal) k) AS known_at
            FROM indicators i
            WHERE i.name = ANY (wanted_names)
                AND (wanted_symbols IS NULL OR i.symbol = ANY (wanted_symbols))
                AND i.ts >= from_ts AND coalesce(i.period_end, i.ts) >= from_ts
                AND coalesce(i.period_end, i.ts) < to_ts OFFSET 0
        ) AS stored
        WHERE coalesce(known_at, greatest(receive_time, period_end)) <= t
        ORDER BY name, symbol, of_source, source, period_start, period_start_ns, period_end_ns,
            CASE WHEN period_start IS NULL THEN ts END, revision DESC, epoch DESC, ordinal DESC
    ) AS latest
    WHERE value IS NOT NULL;
END
$function$
$sql$, market);

    -- A change is in force at t if it is the last about its trade that was known, as in
    -- trade_changes_standing (32_views.sql).
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.trade_changes_as_of(
    t timestamptz, wanted_symbols text[], from_ts timestamptz, to_ts timestamptz,
    with_uncertain boolean DEFAULT false)
RETURNS SETOF %1$I.trade_changes
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
BEGIN
    PERFORM check_as_of('trade_changes_as_of', t, 'trade_changes', wanted_symbols, NULL, from_ts, to_ts,
        with_uncertain);
    RETURN QUERY
    SELECT c.ts, c.symbol, format('%%s/%%s/%%s', c.of_source, c.partition, c.of_ordinal), c.change, c.price,
        c.size, c.requester, c.note, c.receive_time, c.change <> 'restore' AND c.is_valid
            AND row_number() OVER (
                PARTITION BY c.of_source, c.partition, c.of_ordinal, c.symbol, c.event_time_ns, c.is_valid
                ORDER BY c.epoch DESC, c.ordinal DESC) = 1,
        c.of_source, c.event_time_ns, c.known
    FROM (
        SELECT r.*, r.change IN ('cancel', 'restore')
                OR r.change = 'correct' AND r.price IS NOT NULL AND r.size >= 0 AS is_valid,
            (SELECT greatest(k.taken_at, r.receive_time)
                FROM taken_at('ticks', r.partition, r.source, r.ordinal) k) AS known
        FROM trade_changes r
        WHERE r.source = 'manual' AND r.symbol = ANY (wanted_symbols) AND r.ts >= from_ts AND r.ts < to_ts
        OFFSET 0
    ) AS c
    WHERE coalesce(c.known, c.receive_time) <= t
    ORDER BY c.symbol, c.ts, c.ordinal;
END
$function$
$sql$, market);

    FOREACH comment SLICE 1 IN ARRAY ARRAY[
        ['FUNCTION trades_as_of(timestamptz, text[], timestamptz, timestamptz, boolean)',
            $$trades, corrections and cancels that were known at a time; it raises where that is not known.
SELECT * FROM trades_as_of('2026-11-20 14:40Z', '{AAPL}', '2026-11-20 14:30Z', '2026-11-20 14:40Z')$$],
        ['FUNCTION trades_effective_as_of(timestamptz, text[], timestamptz, timestamptz, boolean)',
            $$trades as they counted by what was known at a time; it raises where that is not known.
SELECT * FROM trades_effective_as_of('2026-11-20 14:40Z', '{AAPL}', '2026-11-20 14:30Z', '2026-11-20 14:40Z')$$],
        ['FUNCTION quotes_as_of(timestamptz, text[], timestamptz, timestamptz, boolean)',
            $$quotes that were known at a time; it raises where that is not known.
SELECT * FROM quotes_as_of('2026-11-20 14:40Z', '{AAPL}', '2026-11-20 14:30Z', '2026-11-20 14:40Z')$$],
        ['FUNCTION trade_changes_as_of(timestamptz, text[], timestamptz, timestamptz, boolean)',
            $$changes of trades by people that were known at a time; it raises where that is not known.
SELECT * FROM trade_changes_as_of('2026-11-20 14:40Z', '{AAPL}', '2026-11-20 14:30Z', '2026-11-20 14:40Z')$$],
        ['FUNCTION indicators_as_of(timestamptz, text[], text[], timestamptz, timestamptz, boolean)',
            $$values in the revision that was known at a time; without symbols, those of all.
SELECT * FROM indicators_as_of('2026-11-20 14:40Z', '{stats.q10s.mean}', '{AAPL}', '2026-11-20', '2026-11-21')$$],
        ['FUNCTION gaps_as_of(timestamptz, text[], timestamptz, timestamptz, boolean)',
            $$what was missing as it was known at a time, a row per stretch; without symbols, of all.
SELECT * FROM gaps_as_of('2026-11-20 14:40Z', '{AAPL}', '2026-11-20', '2026-11-21')$$],
        ['COLUMN trades.known_at', 'when the tape took it, up to a second too late; NULL: not known'],
        ['COLUMN quotes.known_at', 'when the tape took it, up to a second too late; NULL: not known'],
        ['COLUMN trade_changes.known_at', 'when the tape took it, up to a second too late; NULL: not known'],
        ['COLUMN indicators_latest.known_at',
            'when the tape took this revision, up to a second too late; NULL: not known']
    ] LOOP
        EXECUTE format('COMMENT ON %s %I.%s IS %L', split_part(comment[1], ' ', 1), market,
            substr(comment[1], strpos(comment[1], ' ') + 1), comment[2]);
    END LOOP;
END
$market$;
