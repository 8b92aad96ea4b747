-- The views that people query. They are in a separate schema beside the namespace's, `md_market`
-- for `md`, which holds only views and functions. The tables keep the form that the writers and the
-- audits need. A view may get further columns at its end. `docs/data.md` has an example of each.
--
-- Views run with the rights of their owner, the migrator. Only views are in this schema, so a
-- person whose search_path is this schema sees with `\dv` only what is meant for people.

-- Applies one gap record to the set of missing stretches, as the operators understand it: the
-- record adds a stretch or removes it.
CREATE OR REPLACE FUNCTION missing_step(
    missing tstzmultirange, stretch tstzrange, is_missing boolean
) RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN is_missing THEN missing + tstzmultirange(stretch)
        ELSE missing - tstzmultirange(stretch) END
$$;

-- In the order of the tape: the last record about each moment applies.
CREATE OR REPLACE AGGREGATE missing_stretches(tstzrange, boolean) (
    SFUNC = missing_step, STYPE = tstzmultirange, INITCOND = '{}'
);

DO $market$
DECLARE
    market  name := current_schema() || '_market';
    comment text[];
    -- The log of gaps has a row for each state of a stretch. A record without an end reaches up to
    -- its own time. `any` means trades, quotes and all `other` kinds.
    missing_now CONSTANT text := $sql$
SELECT said.source, said.symbol, said.kind, lower(piece.stretch) AS from_time,
    CASE WHEN NOT last.lasts THEN upper(piece.stretch) END AS to_time,
    upper(piece.stretch) - lower(piece.stretch) AS missing, now_is.state, last.reason, last.detail, last.noted_at,
    said.partition
FROM (
    SELECT g.source, g.partition, g.symbol, about.kind,
        missing_stretches(g.stretch, g.state = 'open' ORDER BY g.epoch, g.ordinal) AS open,
        missing_stretches(g.stretch, g.state = 'filling' ORDER BY g.epoch, g.ordinal) AS filling,
        missing_stretches(g.stretch, g.state = 'abandoned' ORDER BY g.epoch, g.ordinal) AS abandoned,
        array_agg(g.stretch ORDER BY g.epoch, g.ordinal) AS stretches,
        array_agg(g.reason ORDER BY g.epoch, g.ordinal) AS reasons,
        array_agg(g.detail ORDER BY g.epoch, g.ordinal) AS details,
        array_agg(g.receive_time ORDER BY g.epoch, g.ordinal) AS times,
        array_agg(g.to_time IS NULL ORDER BY g.epoch, g.ordinal) AS lasting
    FROM (
        SELECT *, tstzrange(from_time,
            greatest(from_time, coalesce(to_time, receive_time))) AS stretch
        FROM gaps m WHERE ordinal IS NOT NULL AND from_time IS NOT NULL%2$s
    ) AS g
    CROSS JOIN LATERAL unnest(CASE g.kind WHEN 'any' THEN ARRAY['trade', 'quote', 'other']
        ELSE ARRAY[g.kind] END) AS about (kind)
    GROUP BY g.source, g.partition, g.symbol, about.kind
) AS said
CROSS JOIN LATERAL (VALUES ('open', said.open), ('filling', said.filling),
    ('abandoned', said.abandoned)) AS now_is (state, stretches)
CROSS JOIN LATERAL unnest(now_is.stretches) AS piece (stretch)
CROSS JOIN LATERAL (
    SELECT r.reason, r.detail, r.noted_at, r.lasts
    FROM unnest(said.stretches, said.reasons, said.details, said.times, said.lasting)
        WITH ORDINALITY AS r (stretch, reason, detail, noted_at, lasts, place)
    WHERE r.stretch && piece.stretch
    ORDER BY r.place DESC LIMIT 1
) AS last
$sql$;
    -- trades_at (32_views.sql) has the rule. Snapshots (1) and trades without price or size do not count.
    effective CONSTANT text := $sql$
SELECT ts, symbol, now_price AS price, now_size AS size, now_exchange AS exchange,
    now_conditions AS conditions, change IS NOT NULL AS is_corrected, flags & 64 = 0 AS is_reported,
    flags & 4 <> 0 AS is_backfilled, flags & 8 <> 0 AS is_delayed,
    flags & 16 <> 0 AS is_out_of_session, provider, provider_id, source, receive_time, event_time_ns,
    of_source, format('%%s/%%s/%%s', source, partition, ordinal) AS tick_id, owner
FROM %1$s AS s
WHERE flags & 1 = 0 AND change IS DISTINCT FROM 'cancel' AND now_price IS NOT NULL AND now_size >= 0%2$s
$sql$;
BEGIN
    IF to_regnamespace(quote_ident(market)) IS NULL THEN
        IF NOT has_database_privilege(current_database(), 'CREATE') THEN
            RAISE EXCEPTION 'the schema % is missing, and % may not make it: a superuser makes it by '
                'CREATE SCHEMA % AUTHORIZATION %', market, current_user, market, current_user
                USING ERRCODE = '42501';
        END IF;
        EXECUTE format('CREATE SCHEMA %I', market);
    END IF;

    -- Bars that stand: a withdrawn bar, whose trades are all cancelled, is not here. A bar without
    -- prices whose trades count only for the volume (odd lots) is.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.candles AS
SELECT symbol, series, ts, close_time, open, high, low, close, volume, vwap, trades,
    NOT partial AS is_whole, mixed_providers AS is_mixed, replaced + 1 AS version, reason, notional,
    excluded, number, source, filled AS is_filled,
    now() >= greatest(close_time, known_at) + lateness_ns / 1000 * interval '1 us' AS is_final, known_at
FROM bars
WHERE NOT withdrawn
$sql$, market);
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.candles_float AS
SELECT symbol, series, ts, close_time, open::float8, high::float8, low::float8, close::float8,
    volume::float8, vwap::float8, trades, NOT partial AS is_whole, mixed_providers AS is_mixed,
    replaced + 1 AS version, reason, notional::float8, excluded, number, source,
    filled AS is_filled,
    now() >= greatest(close_time, known_at) + lateness_ns / 1000 * interval '1 us' AS is_final, known_at
FROM bars
WHERE NOT withdrawn
$sql$, market);

    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.trades AS
SELECT ts, symbol, price, size, exchange, conditions,
    CASE action WHEN 0 THEN 'new' WHEN 1 THEN 'correction' ELSE 'cancel' END AS action,
    flags & 64 = 0 AS is_reported, flags & 4 <> 0 AS is_backfilled, flags & 8 <> 0 AS is_delayed,
    flags & 16 <> 0 AS is_out_of_session, provider, provider_id, source, receive_time, event_time_ns,
    of_source, format('%%s/%%s/%%s', source, partition, ordinal) AS tick_id,
    (SELECT greatest(k.taken_at, receive_time) FROM taken_at('ticks', partition, source, ordinal) k)
        AS known_at
FROM trades
$sql$, market);
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.quotes AS
SELECT ts, symbol, bid_price, bid_size, ask_price, ask_size, bid_exchange, ask_exchange,
    flags & 4 <> 0 AS is_backfilled, flags & 8 <> 0 AS is_delayed, provider, source, receive_time,
    event_time_ns, of_source,
    (SELECT greatest(k.taken_at, receive_time) FROM taken_at('ticks', partition, source, ordinal) k)
        AS known_at
FROM quotes
$sql$, market);

    EXECUTE format('CREATE OR REPLACE VIEW %I.trades_effective AS ', market)
        || format(effective, 'trades_standing', '');
    -- The same from the trades and changes that were known at t.
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.trades_effective_as_of(
    t timestamptz, wanted_symbols text[], from_ts timestamptz, to_ts timestamptz,
    with_uncertain boolean DEFAULT false)
RETURNS SETOF %1$I.trades_effective
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM check_as_of('trades_effective_as_of', t, 'trades_effective', wanted_symbols, NULL, from_ts,
        to_ts, with_uncertain);
    RETURN QUERY %2$s ORDER BY symbol, ts, event_time_ns, source, tick_id;
END
$function$
$sql$, market, format(effective, 'trades_at(t)', ' AND symbol = ANY (wanted_symbols) AND ts >= from_ts
    AND ts < to_ts AND coalesce((SELECT greatest(k.taken_at, s.receive_time)
        FROM taken_at(''ticks'', s.partition, s.source, s.ordinal) k), s.receive_time) <= t'));
    -- Every record of a person about a trade. One is in force if it is the last about its trade and
    -- takes nothing back.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.trade_changes AS
SELECT c.ts, c.symbol, format('%%s/%%s/%%s', c.of_source, c.partition, c.of_ordinal) AS tick_id,
    c.change, c.price, c.size, c.requester AS changed_by, c.note, c.receive_time AS changed_at,
    EXISTS (SELECT FROM trade_changes_standing s
        WHERE (s.of_source, s.partition, s.of_ordinal, s.symbol, s.event_time_ns, s.ordinal)
            = (c.of_source, c.partition, c.of_ordinal, c.symbol, c.event_time_ns, c.ordinal))
        AS is_in_force,
    c.of_source, c.event_time_ns,
    (SELECT greatest(k.taken_at, c.receive_time)
        FROM taken_at('ticks', c.partition, c.source, c.ordinal) k) AS known_at
FROM trade_changes c
WHERE c.source = 'manual'
$sql$, market);
    -- The highest revision of each value, unless that says that the value is void. All revisions of an
    -- operator's value have its end as their time, and a provider's value without a period has no
    -- revisions: there the time is a part of the key, so a condition on it reaches the table. A
    -- provider's revised values of periods, which are few, come at any later time.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.indicators_latest AS
SELECT name, symbol, of_source, period_start, period_end, value, unit, ts, revision, provider, source,
    (SELECT greatest(k.taken_at, latest.receive_time, latest.period_end)
        FROM taken_at(indicator_input(source), partition, source, ordinal) k) AS known_at
FROM (
    SELECT DISTINCT ON (name, symbol, of_source, source, ts, period_start, period_start_ns,
        period_end_ns) *
    FROM indicators
    WHERE period_start IS NULL OR source IN ('operator', 'universe')
    ORDER BY name, symbol, of_source, source, ts, period_start, period_start_ns, period_end_ns,
        revision DESC, epoch DESC, ordinal DESC
) AS latest
WHERE value IS NOT NULL
UNION ALL
SELECT name, symbol, of_source, period_start, period_end, value, unit, ts, revision, provider, source,
    (SELECT greatest(k.taken_at, revised.receive_time, revised.period_end)
        FROM taken_at(indicator_input(source), partition, source, ordinal) k)
FROM (
    SELECT DISTINCT ON (name, symbol, of_source, source, period_start, period_start_ns,
        period_end_ns) *
    FROM indicators
    WHERE period_start IS NOT NULL AND source NOT IN ('operator', 'universe')
    ORDER BY name, symbol, of_source, source, period_start, period_start_ns, period_end_ns,
        revision DESC, epoch DESC, ordinal DESC
) AS revised
WHERE value IS NOT NULL
$sql$, market);

    -- Of each window the row that came last: a provider makes a bar again when a trade was late, or
    -- sends an unfinished one first. The earlier rows stay in the table. It is cut by the end of bars, so
    -- a condition on close_time saves reading all of it, and one on ts alone does not.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %I.provider_bars AS
SELECT symbol, made_of, open_time AS ts, newest.ts AS close_time, open, high, low, close, volume, vwap,
    trades, bar_flags & 1 = 0 AS is_finished, bar_flags & 4 <> 0 AS is_revised,
    bar_flags & 2 <> 0 AS is_regular_hours, flags & 4 <> 0 AS is_backfilled,
    flags & 8 <> 0 AS is_delayed, provider, source, receive_time
FROM (
    SELECT DISTINCT ON (symbol, source, made_of, open_time, ts) *
    FROM provider_bars
    ORDER BY symbol, source, made_of, open_time, ts, epoch DESC, ordinal DESC
) AS newest
$sql$, market);

    -- One symbol after the other by the index, then the newest row of each that counts, as it was
    -- corrected: a trade that was cancelled is no last price, and a snapshot (1) is none of now. A
    -- delayed trade has the time at which it was made, so it is the last one only where no source has a
    -- later one. A scan would read a week.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %1$I.latest_trades AS
WITH RECURSIVE known AS (
    (SELECT symbol FROM trades WHERE ts >= now() - interval '7 days' ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT t.symbol FROM trades t
        WHERE t.symbol > known.symbol AND t.ts >= now() - interval '7 days'
        ORDER BY t.symbol LIMIT 1)
    FROM known WHERE known.symbol IS NOT NULL
)
SELECT known.symbol, t.ts, t.now_price AS price, t.now_size AS size, t.now_exchange AS exchange,
    t.now_conditions AS conditions, t.provider, t.source,
    format('%%s/%%s/%%s', t.source, t.partition, t.ordinal) AS tick_id, t.flags & 8 <> 0 AS is_delayed
FROM known
CROSS JOIN LATERAL (
    SELECT * FROM trades_standing t
    WHERE t.symbol = known.symbol AND t.ts >= now() - interval '7 days' AND t.flags & 1 = 0
        AND t.change IS DISTINCT FROM 'cancel' AND t.now_price IS NOT NULL
    ORDER BY t.ts DESC LIMIT 1
) AS t
$sql$, market);
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %1$I.latest_quotes AS
WITH RECURSIVE known AS (
    (SELECT symbol FROM quotes WHERE ts >= now() - interval '7 days' ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT q.symbol FROM quotes q
        WHERE q.symbol > known.symbol AND q.ts >= now() - interval '7 days'
        ORDER BY q.symbol LIMIT 1)
    FROM known WHERE known.symbol IS NOT NULL
)
SELECT known.symbol, q.ts, q.bid_price, q.bid_size, q.ask_price, q.ask_size, q.provider, q.source
FROM known
CROSS JOIN LATERAL (
    SELECT * FROM quotes q
    WHERE q.symbol = known.symbol AND q.ts >= now() - interval '7 days'
    ORDER BY q.ts DESC LIMIT 1
) AS q
$sql$, market);
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %1$I.symbols AS
SELECT coalesce(t.symbol, q.symbol) AS symbol, coalesce(t.source, q.source) AS source,
    coalesce(t.provider, q.provider) AS provider, t.ts AS last_trade, t.price AS last_price,
    q.ts AS last_quote, q.source AS quote_source
FROM %1$I.latest_trades t FULL JOIN %1$I.latest_quotes q USING (symbol)
$sql$, market);

    EXECUTE format('CREATE OR REPLACE VIEW %I.open_gaps AS ' || missing_now, market, '');
    -- The same from the records that were known at t.
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.gaps_as_of(
    t timestamptz, wanted_symbols text[], from_ts timestamptz, to_ts timestamptz,
    with_uncertain boolean DEFAULT false)
RETURNS SETOF %1$I.open_gaps
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM check_as_of('gaps_as_of', t, 'gaps', wanted_symbols, NULL, from_ts, to_ts, with_uncertain);
    RETURN QUERY SELECT * FROM (%2$s) AS g
    WHERE (wanted_symbols IS NULL OR g.symbol IS NULL OR g.symbol = ANY (wanted_symbols))
        AND g.from_time < to_ts AND (g.to_time IS NULL OR g.to_time > from_ts);
END
$function$
$sql$, market, format(missing_now, '', ' AND coalesce((SELECT greatest(k.taken_at, m.receive_time)
            FROM taken_at(''ticks'', m.partition, m.source, m.ordinal) k), m.receive_time) <= t'));

    -- Gaps are looked up only for incomplete bars: those of the bar's source, or of all sources if its
    -- source is a group of them.
    EXECUTE format($sql$
CREATE OR REPLACE VIEW %1$I.bar_trust AS
SELECT t.*, CASE WHEN NOT is_whole THEN coalesce(array_to_string(gaps, '; '),
    'its feed began, or was asked for again, at ' || subscribed_at,
    CASE WHEN is_beginning THEN 'nothing of before it is stored' END,
    'the tape says: tapeline explain') END AS why
FROM (
SELECT b.symbol, b.series, b.ts, b.number, b.close_time, NOT b.partial AS is_whole,
    b.mixed_providers AS is_mixed, b.replaced + 1 AS version, b.reason, b.missing, b.gaps,
    (SELECT min(e.ts) FROM events e WHERE b.partial AND e.name = 'subscription'
        AND e.detail->>'action' IS DISTINCT FROM 'stop'
        AND e.symbol = b.symbol AND e.ts >= b.ts AND e.ts < b.close_time
        AND (b.is_group OR e.source = b.source)) AS subscribed_at,
    (SELECT count(*) FROM late_ticks l WHERE l.symbol = b.symbol AND l.series = b.series
        AND l.ts >= b.ts AND l.ts < b.close_time AND l.reason <> 'duplicate'
        AND (b.is_group OR l.of_source = b.source)) AS late_ticks,
    b.excluded, b.partial
        AND NOT EXISTS (SELECT FROM trades t WHERE t.symbol = b.symbol AND t.ts < b.ts
            AND (b.is_group OR t.source = b.source))
        AND NOT EXISTS (SELECT FROM quotes q WHERE q.symbol = b.symbol AND q.ts < b.ts
            AND (b.is_group OR q.source = b.source))
        AS is_beginning, b.source
FROM (
    SELECT b.*, g.missing, g.gaps, b.source NOT IN
        (SELECT o.source FROM sink_source_ordinals o WHERE o.input = 'ticks') AS is_group
    FROM bars b
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(least(coalesce(g.to_time, b.close_time), b.close_time)
                - greatest(g.from_time, b.ts)), interval '0') AS missing,
            array_agg(DISTINCT g.kind || ' ' || g.state || ': ' || g.reason)
                FILTER (WHERE g.reason IS NOT NULL) AS gaps
        FROM %1$I.open_gaps g
        WHERE b.partial AND g.symbol = b.symbol AND g.kind = 'trade' AND g.from_time < b.close_time
            AND (g.to_time IS NULL OR g.to_time > b.ts)
            AND (g.source = b.source OR b.source NOT IN
                (SELECT o.source FROM sink_source_ordinals o WHERE o.input = 'ticks'))
    ) AS g
) AS b
) AS t
$sql$, market);

    -- A function and not a view, because a view would count all days before one is selected.
    EXECUTE format($sql$
CREATE OR REPLACE FUNCTION %1$I.quality(day date, wanted_series text DEFAULT '1m')
RETURNS TABLE (symbol text, bars bigint, whole bigint, partial bigint, mixed bigint, revised bigint,
    withdrawn bigint, trades numeric, excluded numeric, late_ticks bigint, missing interval,
    source text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.symbol, count(*), count(*) FILTER (WHERE NOT b.partial),
        count(*) FILTER (WHERE b.partial), count(*) FILTER (WHERE b.mixed_providers),
        count(*) FILTER (WHERE b.replaced > 0),
        count(*) FILTER (WHERE b.withdrawn), sum(b.trades), sum(b.excluded),
        (SELECT count(*) FROM late_ticks l
            WHERE l.symbol = b.symbol AND l.series = wanted_series AND l.reason <> 'duplicate'
                AND (bool_and(b.is_group) OR l.of_source = b.source)
                AND l.ts >= day::timestamp AT TIME ZONE 'UTC'
                AND l.ts < (day + 1)::timestamp AT TIME ZONE 'UTC'),
        (SELECT coalesce(sum(
                least(coalesce(g.to_time, now()), (day + 1)::timestamp AT TIME ZONE 'UTC')
                    - greatest(g.from_time, day::timestamp AT TIME ZONE 'UTC')), interval '0')
            FROM %1$I.open_gaps g
            WHERE g.symbol = b.symbol AND g.kind = 'trade'
                AND (bool_and(b.is_group) OR g.source = b.source)
                AND g.from_time < (day + 1)::timestamp AT TIME ZONE 'UTC'
                AND (g.to_time IS NULL OR g.to_time > day::timestamp AT TIME ZONE 'UTC')),
        b.source
    FROM (SELECT *, source NOT IN
            (SELECT o.source FROM sink_source_ordinals o WHERE o.input = 'ticks') AS is_group
        FROM bars) AS b
    WHERE b.series = wanted_series AND b.ts >= day::timestamp AT TIME ZONE 'UTC'
        AND b.ts < (day + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY b.symbol, b.source ORDER BY b.symbol, b.source;
END
$sql$, market);

    FOREACH comment SLICE 1 IN ARRAY ARRAY[
        ['VIEW candles', $$bars as they stand, without withdrawn ones; decimals as they are.
SELECT * FROM candles WHERE symbol = 'AAPL' AND series = '1m' AND ts >= now() - interval '1 hour' ORDER BY ts$$],
        ['VIEW candles_float', $$candles with numbers for data frames, rounded to 15 digits.
SELECT ts, close FROM candles_float WHERE symbol = 'AAPL' AND series = '1m' ORDER BY ts$$],
        ['VIEW trades', $$every trade, correction and cancel as it came.
SELECT * FROM trades WHERE symbol = 'AAPL' AND ts >= now() - interval '1 minute' ORDER BY ts$$],
        ['VIEW trades_effective', $$trades as they count now: without cancelled ones, corrections applied.
SELECT sum(size) FROM trades_effective WHERE symbol = 'AAPL' AND ts >= now() - interval '1 minute'$$],
        ['VIEW trade_changes', $$who cancelled, corrected or restored single trades, when and why.
SELECT * FROM trade_changes ORDER BY changed_at DESC$$],
        ['VIEW indicators_latest', $$values in their last revision, without those that were withdrawn.
SELECT period_start, value FROM indicators_latest WHERE name = 'stats.q10s.mean' AND symbol = 'AAPL'$$],
        ['VIEW quotes', $$every change of the best bid and offer as it came.
SELECT * FROM quotes WHERE symbol = 'AAPL' AND ts >= now() - interval '1 minute' ORDER BY ts$$],
        ['VIEW provider_bars', $$bars that a provider made itself: of each window the one that came last.
SELECT * FROM provider_bars WHERE symbol = 'AAPL' AND close_time >= now() - interval '1 hour' ORDER BY ts$$],
        ['VIEW latest_trades', $$the last trade of each symbol of the last seven days, of whichever source.
SELECT symbol, price, now() - ts AS age FROM latest_trades$$],
        ['VIEW latest_quotes', $$the last quote of each symbol of the last seven days.
SELECT symbol, ask_price - bid_price AS spread FROM latest_quotes$$],
        ['VIEW symbols', $$symbols of the last seven days: who gives them, and when last.
SELECT * FROM symbols ORDER BY symbol$$],
        ['VIEW open_gaps', $$what is missing now, one row per stretch; without to_time it lasts.
SELECT * FROM open_gaps WHERE symbol = 'AAPL'$$],
        ['VIEW bar_trust', $$why a bar is not whole, and what else is to be known of it.
SELECT ts, why FROM bar_trust WHERE symbol = 'AAPL' AND series = '1m' AND NOT is_whole$$],
        ['FUNCTION quality(date, text)', $$a day (of UTC) of one series, a row per symbol and source.
SELECT * FROM quality(current_date)$$],
        ['COLUMN candles.ts', 'open time: the window is [ts, close_time)'],
        ['COLUMN candles.open', 'NULL: all its trades count for the volume alone'],
        ['COLUMN candles.is_whole', 'false: it overlaps a gap or the start of a subscription; see bar_trust'],
        ['COLUMN candles.is_mixed', 'true: two providers fed it'],
        ['COLUMN candles.version', '1: as it was closed; every later version counts one more'],
        ['COLUMN candles.reason', 'of this version: closed, late, bust, gap, backfill or repair'],
        ['COLUMN candles.notional', 'sum of price times size: divide sums of it for a vwap of many bars'],
        ['COLUMN candles.source', 'whose ticks it is made of: two sources of a symbol have a bar each'],
        ['COLUMN candles.is_filled', 'true: no trade; the prices are the close before it'],
        ['COLUMN candles.is_final', 'an estimate. true: too old for late ticks; NULL: the lateness is not known'],
        ['COLUMN candles.known_at',
            'the latest of the ends of the window, of sending, and of when the tape took it; NULL: not known'],
        ['COLUMN candles.number', '0 for time bars; counts for the others'],
        ['COLUMN trades.action', 'new, correction or cancel; these two name a trade by event time and provider_id'],
        ['COLUMN symbols.source', 'of the last trade; without one, of the last quote'],
        ['COLUMN symbols.quote_source', 'of the last quote, which may be another one than that of the trade'],
        ['COLUMN trades.of_source', 'of a tick of the source manual: to which source it belongs, where it is said'],
        ['COLUMN quotes.of_source', 'of a tick of the source manual: to which source it belongs, where it is said'],
        ['COLUMN trades.tick_id', 'its address on the tape, for tapeline trade: source/partition/ordinal'],
        ['COLUMN provider_bars.ts', 'open time: the window is [ts, close_time)'],
        ['COLUMN provider_bars.is_finished', 'false: the provider sends it again with more data'],
        ['COLUMN provider_bars.is_revised', 'true: the provider made it again after it had ended'],
        ['COLUMN trade_changes.ts', 'event time of the trade'],
        ['COLUMN trade_changes.tick_id', 'the address of the trade'],
        ['COLUMN trade_changes.is_in_force', 'false: a later one about this trade counts, or it took another back'],
        ['COLUMN trades.is_reported', 'false: it makes no last price by the rules of the market'],
        ['COLUMN open_gaps.symbol', 'NULL: all symbols of the source in one partition'],
        ['COLUMN open_gaps.kind', 'trade, quote, depth, ...; other: kinds besides trades and quotes'],
        ['COLUMN open_gaps.state', 'open, filling (history is being fetched) or abandoned (nobody will fill it)'],
        ['COLUMN bar_trust.missing', 'how much of its time lies in gaps of trades'],
        ['COLUMN bar_trust.gaps', 'kind, state and reason of these'],
        ['COLUMN bar_trust.why', 'the reason of a bar that is not whole'],
        ['COLUMN bar_trust.subscribed_at', 'a subscription began within the bar'],
        ['COLUMN bar_trust.is_beginning', 'no tick of the symbol and source from before it is stored'],
        ['COLUMN bar_trust.late_ticks', 'came after the lateness: listed, and not in the bar']
    ] LOOP
        EXECUTE format('COMMENT ON %s %I.%s IS %L', split_part(comment[1], ' ', 1), market,
            substr(comment[1], strpos(comment[1], ' ') + 1), comment[2]);
    END LOOP;
END
$market$;
