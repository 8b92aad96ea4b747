-- An hour of three symbols on 2026-03-02, and some minutes before now: what the questions of docs/data.md
-- are asked of. Bars are made of the trades here as the operators make them.
SELECT make_time_partition(t, ts)
FROM unnest(ARRAY['trades', 'quotes', 'bars_short', 'events', 'late_ticks']) AS t,
    unnest(ARRAY['2026-03-02 12:00+00', now(), now() - interval '1 day']) AS ts;

INSERT INTO trades (ts, event_time_ns, symbol, price, size, exchange, provider, provider_id,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, (extract(epoch FROM ts) * 1000000000)::bigint, symbol,
    base + round((sin(n / 40.0) * 2 + (n * 7919 % 13) * 0.01)::numeric, 2), 1 + (n * 31) % 90,
    (ARRAY['XNAS', 'ARCX', 'BATS'])[1 + n % 3], 'test', n, ts + (5 + n % 20) * interval '1 ms', 0,
    'test', partition, 1, n
FROM (VALUES ('AAPL', 180.0, 1), ('MSFT', 410.0, 2), ('SPY', 505.0, 3)) AS s (symbol, base, partition),
    generate_series(1, 3600) AS n,
    LATERAL (SELECT timestamptz '2026-03-02 14:30+00' + n * interval '0.999 s' AS ts) AS at
-- MSFT has a hole, SPY trades every other second.
WHERE NOT (symbol = 'MSFT' AND n BETWEEN 1300 AND 1500) AND NOT (symbol = 'SPY' AND n % 2 = 0);

INSERT INTO quotes (ts, event_time_ns, symbol, bid_price, bid_size, ask_price, ask_size, provider,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts - interval '0.4 s', event_time_ns - 400000000, symbol, price - 0.01 * (1 + ordinal % 4), 100,
    price + 0.01, 200, 'test', receive_time, 0, source, partition, 1, 10000 + ordinal
FROM trades WHERE ts < '2026-03-03';

-- One bar a minute. Its cancelled trade is not in it: below.
INSERT INTO bars_short (symbol, series, ts, open, high, low, close, volume, vwap, notional, trades,
    open_time_ns, close_time, close_time_ns, revision, reason, partial, source, partition, ordinal,
    replaced, taken_at)
SELECT symbol, '1m', minute, (array_agg(price ORDER BY ts))[1], max(price), min(price),
    (array_agg(price ORDER BY ts DESC))[1], sum(size), round(sum(price * size) / sum(size), 9),
    sum(price * size), count(*), 0, minute + interval '1 min', 0,
    row_number() OVER (ORDER BY minute, symbol),
    CASE WHEN symbol = 'AAPL' AND minute = '2026-03-02 14:40+00' THEN 'bust' ELSE 'closed' END,
    symbol = 'MSFT' AND minute BETWEEN '2026-03-02 14:51+00' AND '2026-03-02 14:54+00'
        OR minute = '2026-03-02 14:30+00',
    'test', min(partition), row_number() OVER (ORDER BY minute, symbol),
    CASE WHEN symbol = 'AAPL' AND minute = '2026-03-02 14:40+00' THEN 1 ELSE 0 END,
    CASE WHEN symbol = 'AAPL' AND minute = '2026-03-02 14:40+00' THEN '2026-03-02 15:00+00'
        ELSE minute + interval '61 s' END
FROM (SELECT *, date_trunc('minute', ts) AS minute FROM trades) AS t
WHERE ts < '2026-03-03' AND NOT (symbol = 'AAPL' AND ordinal = 630)
GROUP BY symbol, minute;
-- What was known of that bar before its trade was cancelled.
INSERT INTO bar_versions (symbol, series, ts, open, high, low, close, volume, notional, trades,
    open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal, taken_at)
SELECT symbol, series, ts, open, high, low, close, volume + 5, notional, trades + 1, open_time_ns,
    close_time, close_time_ns, 0, source, partition, 0, close_time + interval '1 s'
FROM bars_short WHERE reason = 'bust';
-- A withdrawn bar: all its trades were cancelled.
INSERT INTO bars_short (symbol, series, ts, volume, notional, trades, open_time_ns, close_time,
    close_time_ns, revision, reason, source, partition, ordinal, replaced, withdrawn)
VALUES ('SPY', '1m', '2026-03-02 15:31+00', 0, 0, 0, 0, '2026-03-02 15:32+00', 0, 999, 'bust',
    'test', 3, 999, 1, true);

INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, provider, provider_id,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT ts, event_time_ns, symbol, price, size, 2, provider, provider_id,
    receive_time + interval '20 s', 0, source, partition, 1, 9000
FROM trades WHERE symbol = 'AAPL' AND ordinal = 630;

INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time, to_time, state,
    receive_time, epoch, ordinal)
SELECT 'store', 'ticks', 2, 'test', 'disconnected', 'MSFT', 'any', from_time::timestamptz,
    to_time::timestamptz, state, to_time::timestamptz, 1, 20000 + place
FROM (VALUES (1, '2026-03-02 14:51:38.6+00', '2026-03-02 14:54:58.5+00', 'open'),
    (2, '2026-03-02 14:51:38.6+00', '2026-03-02 14:54:58.5+00', 'filling'),
    (3, '2026-03-02 14:51:38.6+00', '2026-03-02 14:52:00+00', 'filled'),
    (4, '2026-03-02 14:52:00+00', '2026-03-02 14:54:58.5+00', 'abandoned'))
    AS said (place, from_time, to_time, state);
INSERT INTO events (ts, event_time_ns, symbol, input, template, name, receive_time, receive_time_ns,
    source, partition, epoch, ordinal)
SELECT '2026-03-02 14:30:00.5+00', 0, symbol, 'ticks', 1, 'subscription', '2026-03-02 14:30:00.5+00', 0,
    'test', partition, 1, 30000
FROM (VALUES ('AAPL', 1), ('MSFT', 2), ('SPY', 3)) AS s (symbol, partition);
INSERT INTO late_ticks (ts, event_time_ns, symbol, series, reason, kind, price, size, of_source,
    of_ordinal, receive_time, receive_time_ns, source, partition, epoch, ordinal)
VALUES ('2026-03-02 14:45:10+00', 0, 'AAPL', '1m', 'window_closed', 'trade', 181, 5, 'test', 77,
    '2026-03-02 14:47:30+00', 0, 'operator', 1, 1, 40000);

INSERT INTO trades (ts, event_time_ns, symbol, price, size, provider, receive_time, receive_time_ns,
    source, partition, epoch, ordinal)
SELECT now() - n * interval '1 s', 0, symbol, base - n * 0.01, 10, 'test', now(), 0, 'test', partition,
    1, 50000 - n
FROM (VALUES ('AAPL', 190.0, 1), ('MSFT', 420.0, 2), ('SPY', 515.0, 3)) AS s (symbol, base, partition),
    generate_series(1, 20) AS n;
INSERT INTO quotes (ts, event_time_ns, symbol, bid_price, bid_size, ask_price, ask_size, provider,
    receive_time, receive_time_ns, source, partition, epoch, ordinal)
SELECT now() - interval '2 s', 0, symbol, base - 0.02, 100, base, 100, 'test', now(), 0, 'test',
    partition, 1, 60000
FROM (VALUES ('AAPL', 190.0, 1), ('MSFT', 420.0, 2), ('SPY', 515.0, 3)) AS s (symbol, base, partition);

-- A value of an operator, and its revision half an hour later.
SELECT make_time_partition('indicators', '2026-03-02 12:00+00');
INSERT INTO indicators (ts, event_time_ns, symbol, name, value, period_start, period_start_ns, period_end,
    period_end_ns, revision, receive_time, receive_time_ns, source, partition, epoch, ordinal, of_source)
SELECT '2026-03-02 14:39+00', 0, 'AAPL', 'mean', 4.5 + n, '2026-03-02 14:38+00', 0, '2026-03-02 14:39+00',
    0, n, '2026-03-02 14:39+00', 0, 'operator', 1, 1, 50000 + n, 'test'
FROM generate_series(1, 2) AS n;
INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal, taken_from, starts,
    delays_us, apart_ms)
VALUES ('bars', 1, 'operator', 50001, 50001, '2026-03-02 14:40+00', '{0}', '{0}', '{0}'),
    ('bars', 1, 'operator', 50002, 50002, '2026-03-02 15:10+00', '{0}', '{0}', '{0}');

-- The tape took each tick, and each record of a gap, a second after its receipt.
INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal, taken_from, starts,
    delays_us, apart_ms)
SELECT 'ticks', partition, source, ordinal, ordinal, receive_time + interval '1 s', '{0}', '{0}', '{0}'
FROM (SELECT partition, source, ordinal, receive_time FROM trades
    UNION ALL SELECT partition, source, ordinal, receive_time FROM quotes
    UNION ALL SELECT partition, source, ordinal, receive_time FROM gaps WHERE ordinal IS NOT NULL) AS ticks
ON CONFLICT DO NOTHING;
