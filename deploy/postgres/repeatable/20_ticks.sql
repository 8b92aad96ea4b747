-- The views `trades` and `quotes` on the narrow rows of trade_rows and quote_rows. INSERT and COPY into
-- them store rows, too, more slowly, because a trigger takes each row.

-- Exact times are computed with floating point, which takes a quarter of the time of extract()'s numbers,
-- and is exact up to 2100: both roundings together stay below half a microsecond. Times beyond 64 bits
-- do not come: the sum is cast, not its parts.
CREATE OR REPLACE VIEW trades AS
SELECT ts,
    CASE WHEN ts_rest_ns < 0 THEN 9223372036854775807
        WHEN ts >= '1970-01-01 00:00+00' AND ts < '2100-01-01 00:00+00'
            THEN round(date_part('epoch', ts) * 1e6)::bigint * 1000 + ts_rest_ns
        ELSE (extract(epoch FROM ts) * 1000000000 + ts_rest_ns)::bigint END AS event_time_ns,
    symbol, price, size, exchange, conditions, action, flags::integer & 65535 AS flags, provider,
    nullif(provider_id, 0) AS provider_id,
    CASE WHEN time_resolution >= 0 THEN ts END AS provider_time,
    CASE WHEN time_resolution < 0 THEN (-1 - time_resolution)::smallint
        ELSE time_resolution END AS time_resolution,
    receive_time,
    CASE WHEN receive_rest_ns < 0 THEN 9223372036854775807
        WHEN receive_time >= '1970-01-01 00:00+00' AND receive_time < '2100-01-01 00:00+00'
            THEN round(date_part('epoch', receive_time) * 1e6)::bigint * 1000 + receive_rest_ns
        ELSE (extract(epoch FROM receive_time) * 1000000000 + receive_rest_ns)::bigint END AS receive_time_ns,
    source, partition::integer AS partition, epoch, ordinal, nullif(of_source, '') AS of_source
FROM trade_rows;

COMMENT ON VIEW trades IS 'one row per trade, correction or cancellation on the tape';
COMMENT ON COLUMN trades.ts IS 'event time: the provider''s, else the receive time';
COMMENT ON COLUMN trades.action IS '0 new, 1 correction, 2 cancel';
COMMENT ON COLUMN trades.flags IS
    'bits: 1 snapshot, 2 conflated, 4 backfilled, 8 delayed, 16 out of session, 64 not reported to the '
    'consolidated tape as one that makes the last price, 128 beyond the limits of the day';
COMMENT ON COLUMN trades.provider_id IS 'the provider''s id of the tick (64 bits unsigned)';
COMMENT ON COLUMN trades.provider_time IS
    'NULL when the provider gave none; its exact value then is event_time_ns';
COMMENT ON COLUMN trades.time_resolution IS
    'of provider_time: 0 unknown, 1 ns, 2 us, 3 ms, 4 s, 5 min, 6 day';
COMMENT ON COLUMN trades.ordinal IS 'dense per (source, partition), as on the tape';
COMMENT ON COLUMN trades.of_source IS
    'of a tick that a person put onto the tape (source manual): to which source it belongs; NULL: '
    'not said, or a tick of its source';

CREATE OR REPLACE VIEW quotes AS
SELECT ts,
    CASE WHEN ts_rest_ns < 0 THEN 9223372036854775807
        WHEN ts >= '1970-01-01 00:00+00' AND ts < '2100-01-01 00:00+00'
            THEN round(date_part('epoch', ts) * 1e6)::bigint * 1000 + ts_rest_ns
        ELSE (extract(epoch FROM ts) * 1000000000 + ts_rest_ns)::bigint END AS event_time_ns,
    symbol, bid_price, bid_size, ask_price, ask_size, bid_exchange, ask_exchange,
    flags::integer & 65535 AS flags, provider, nullif(provider_id, 0) AS provider_id,
    CASE WHEN time_resolution >= 0 THEN ts END AS provider_time,
    CASE WHEN time_resolution < 0 THEN (-1 - time_resolution)::smallint
        ELSE time_resolution END AS time_resolution,
    receive_time,
    CASE WHEN receive_rest_ns < 0 THEN 9223372036854775807
        WHEN receive_time >= '1970-01-01 00:00+00' AND receive_time < '2100-01-01 00:00+00'
            THEN round(date_part('epoch', receive_time) * 1e6)::bigint * 1000 + receive_rest_ns
        ELSE (extract(epoch FROM receive_time) * 1000000000 + receive_rest_ns)::bigint END AS receive_time_ns,
    source, partition::integer AS partition, epoch, ordinal, nullif(of_source, '') AS of_source
FROM quote_rows;

COMMENT ON VIEW quotes IS 'one row per change of the best bid and offer on the tape';
COMMENT ON COLUMN quotes.ts IS 'event time: the provider''s, else the receive time';
COMMENT ON COLUMN quotes.flags IS 'bits as in trades';
COMMENT ON COLUMN quotes.time_resolution IS 'values as in trades';
COMMENT ON COLUMN quotes.of_source IS
    'of a tick that a person put onto the tape (source manual): to which source it belongs; NULL: '
    'not said, or a tick of its source';

-- Returns the nanoseconds of a time after its microseconds; -1 of "no time".
CREATE OR REPLACE FUNCTION rest_ns(p_time_ns bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE WHEN p_time_ns = 9223372036854775807 THEN -1
        ELSE (p_time_ns % 1000 + 1000) % 1000 END)::smallint
$$;

-- Returns 16 bits as a signed number.
CREATE OR REPLACE FUNCTION low_bits(p_flags integer) RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (CASE WHEN p_flags > 32767 THEN p_flags - 65536 ELSE p_flags END)::smallint
$$;

-- Stores a row that comes by the view. `ts` and `receive_time` count, and of the columns with `_ns`
-- what is below a microsecond. provider_time is stored as given or not.
CREATE OR REPLACE FUNCTION store_trade() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO trade_rows (ts, receive_time, epoch, ordinal, partition, ts_rest_ns, receive_rest_ns,
        flags, action, time_resolution, symbol, source, provider, exchange, conditions, of_source,
        provider_id, price, size)
    VALUES (new.ts, new.receive_time, new.epoch, new.ordinal, new.partition,
        rest_ns(new.event_time_ns), rest_ns(new.receive_time_ns),
        low_bits(coalesce(new.flags, 0)), coalesce(new.action, 0),
        CASE WHEN new.provider_time IS NULL THEN -1 - coalesce(new.time_resolution, 0)
            ELSE coalesce(new.time_resolution, 0) END,
        new.symbol, new.source, coalesce(new.provider, ''), coalesce(new.exchange, ''),
        coalesce(new.conditions, ''), coalesce(new.of_source, ''), coalesce(new.provider_id, 0),
        new.price, new.size);
    -- It comes after all that is stored of its partition.
    IF new.action <> 0 AND new.provider_id <> 0 THEN
        INSERT INTO changes_by_id (symbol, provider_id, action, price, size, exchange, conditions,
            source, of_source, partition, epoch, ordinal, stream_created_ns, sequence, receive_time)
        SELECT new.symbol, new.provider_id, new.action, new.price, new.size,
            coalesce(new.exchange, ''), coalesce(new.conditions, ''), new.source,
            coalesce(new.of_source, ''), new.partition, new.epoch, new.ordinal,
            coalesce(c.stream_created_ns, 0), coalesce(c.sequence, 0) + 1, new.receive_time
        FROM (SELECT) AS one LEFT JOIN (
            SELECT stream_created_ns, sequence FROM changes_by_id WHERE partition = new.partition
            ORDER BY stream_created_ns DESC, sequence DESC LIMIT 1
        ) AS c ON true;
    END IF;
    RETURN new;
END
$$;

-- The same for a quote.
CREATE OR REPLACE FUNCTION store_quote() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO quote_rows (ts, receive_time, epoch, ordinal, partition, ts_rest_ns, receive_rest_ns,
        flags, time_resolution, symbol, source, provider, bid_exchange, ask_exchange, of_source,
        provider_id, bid_price, bid_size, ask_price, ask_size)
    VALUES (new.ts, new.receive_time, new.epoch, new.ordinal, new.partition,
        rest_ns(new.event_time_ns), rest_ns(new.receive_time_ns),
        low_bits(coalesce(new.flags, 0)),
        CASE WHEN new.provider_time IS NULL THEN -1 - coalesce(new.time_resolution, 0)
            ELSE coalesce(new.time_resolution, 0) END,
        new.symbol, new.source, coalesce(new.provider, ''), coalesce(new.bid_exchange, ''),
        coalesce(new.ask_exchange, ''), coalesce(new.of_source, ''), coalesce(new.provider_id, 0),
        new.bid_price, new.bid_size, new.ask_price, new.ask_size);
    RETURN new;
END
$$;

CREATE OR REPLACE TRIGGER store INSTEAD OF INSERT ON trades
    FOR EACH ROW EXECUTE FUNCTION store_trade();
CREATE OR REPLACE TRIGGER store INSTEAD OF INSERT ON quotes
    FOR EACH ROW EXECUTE FUNCTION store_quote();
